"""Compares MARK's calendar XNYS with the package exchange_calendars, day by day, and prints the figures.

Run by hand when the calendar's data change, with a virtual environment outside the repository:

    python3 -m venv ENV && ENV/bin/pip install exchange_calendars
    ENV/bin/python scripts/compare-xnys.py NODE

NODE is the pinned Node. Exit status 1 if a day differs. Only figures are compared; no code is taken.
"""
import datetime
import json
import pathlib
import subprocess
import sys

import exchange_calendars

FIRST, LAST = datetime.date(2015, 1, 1), datetime.date(2027, 12, 31)
PRINT_SESSIONS = """
const { sessionOf } = await import('./src/core/jobs/calendar.ts')
const { XNYS } = await import('./src/core/jobs/calendars/xnys.ts')
const { timeZone } = await import('./src/contract/jobs/time-zone.ts')
const calendar = { data: XNYS, zone: timeZone(XNYS.timezone) }
const days = {}
for (let ms = Date.UTC(2015, 0); ms < Date.UTC(2028, 0); ms += 86_400_000) {
  const day = new Date(ms).toISOString().slice(0, 10)
  days[day] = sessionOf(calendar, day)
}
console.log(JSON.stringify(days))
"""


def mark_sessions(node):
    root = pathlib.Path(__file__).resolve().parent.parent
    argv = [node, "--input-type=module", "-e", PRINT_SESSIONS]
    days = json.loads(subprocess.run(argv, cwd=root, check=True, stdout=subprocess.PIPE).stdout)
    return {day: session and (session["openMs"], session["closeMs"]) for day, session in days.items()}


def other_sessions():
    calendar = exchange_calendars.get_calendar("XNYS", start=str(FIRST), end=str(LAST))
    days = {}
    for day, row in calendar.schedule.iterrows():
        open_ms, close_ms = (int(row[key].timestamp() * 1000) for key in ("open", "close"))
        days[day.date().isoformat()] = (open_ms, close_ms)
    return days


def main():
    mine, other = mark_sessions(sys.argv[1]), other_sessions()
    days = [str(FIRST + datetime.timedelta(n)) for n in range((LAST - FIRST).days + 1)]
    differ = [day for day in days if mine[day] != other.get(day)]
    hours = [(close - open_) / 3_600_000 for open_, close in other.values()]
    print(f"exchange_calendars {exchange_calendars.__version__}, {days[0]} to {days[-1]}: {len(days)} days")
    print(f"sessions: MARK {sum(mine[day] is not None for day in days)}, the other {len(other)}")
    print(f"of these half days: {sum(length < 6.5 for length in hours)}")
    print(f"days that differ in session, open or close: {len(differ)}")
    for day in differ:
        print(f"  {day}: MARK {mine[day]}, the other {other.get(day)}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
