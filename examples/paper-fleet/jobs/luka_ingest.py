"""LUKA, the job: collects what the exchange has recorded since the last time, and lays it on the shelf
`candles` with its manifest. Ran twice, or killed and ran again, it leaves the same.

    python3 -m jobs.luka_ingest
"""

import datetime

import shelf
import wire
from jobs import job
from market import HISTORY

COLUMNS = ("index", "usd_cents", "usdc_cents")
ENOUGH = 300  # fewer teach nobody anything


def collect(known, ask):
    """What is known, and what the exchange has beyond it; the last HISTORY rows, without a gap."""
    rows, until, newest = list(known), None, None
    while newest is None or not rows or rows[-1][0] < newest:
        answer = ask({"op": "candles", "since": rows[-1][0] + 1 if rows else 0})
        newest = answer["newest"] if newest is None else newest
        page = answer["candles"]
        if not page:
            break
        if rows and page[0]["index"] != rows[-1][0] + 1:
            rows = []  # we were away for longer than the exchange remembers: nothing may hide the gap
        rows += [[candle[column] for column in COLUMNS] for candle in page]
        until = page[-1]["time"]
    return rows[-HISTORY:], until


def ingest(candles, ask):
    """The manifest of what lies on the shelf now."""
    manifest = candles.current()
    known = job.read_rows(candles.get(manifest["sha256"])) if manifest else []
    rows, until_ms = collect(known, ask)
    if len(rows) < ENOUGH:
        raise job.TryLater(f"the exchange has {len(rows)} candles yet, and {ENOUGH} are needed")
    if until_ms is None:
        return manifest
    until = datetime.datetime.fromtimestamp(until_ms / 1000, datetime.timezone.utc)
    name = candles.put(job.write_rows(COLUMNS, rows))
    candles.point(name, rows=len(rows), first=rows[0][0], last=rows[-1][0], until=f"{until:%Y-%m-%dT%H:%MZ}")
    return candles.current()


def main():
    port = wire.port_of("EXCHANGE", 17100)
    manifest = ingest(shelf.Shelf("candles"), lambda question: wire.ask(port, question))
    job.say("INFO", f"{manifest['rows']} candles until {manifest['until']}: {manifest['sha256'][:12]}")
    job.output("data_until", manifest["until"])


if __name__ == "__main__":
    job.run(main)
