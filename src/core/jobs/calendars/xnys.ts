/**
 * The New York Stock Exchange, 2015 to 2027: its regular session, the days it is closed, the days it ends at
 * 13:00. Figures only. scripts/compare-xnys.py proves them against another source, day by day; when years are
 * added, run it again.
 */
import type { CalendarData } from '../calendar.ts'

/** Holidays as they were or will be kept; 2018-12-05 and 2025-01-09 were days of mourning. */
const CLOSED: Readonly<Record<string, string>> = {
  2015: '01-01 01-19 02-16 04-03 05-25 07-03 09-07 11-26 12-25',
  2016: '01-01 01-18 02-15 03-25 05-30 07-04 09-05 11-24 12-26',
  2017: '01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25',
  2018: '01-01 01-15 02-19 03-30 05-28 07-04 09-03 11-22 12-05 12-25',
  2019: '01-01 01-21 02-18 04-19 05-27 07-04 09-02 11-28 12-25',
  2020: '01-01 01-20 02-17 04-10 05-25 07-03 09-07 11-26 12-25',
  2021: '01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24',
  2022: '01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26',
  2023: '01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25',
  2024: '01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25',
  2025: '01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25',
  2026: '01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25',
  2027: '01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24',
}

/** Closed from 13:00. */
const HALF: Readonly<Record<string, string>> = {
  2015: '11-27 12-24',
  2016: '11-25',
  2017: '07-03 11-24',
  2018: '07-03 11-23 12-24',
  2019: '07-03 11-29 12-24',
  2020: '11-27 12-24',
  2021: '11-26',
  2022: '11-25',
  2023: '07-03 11-24',
  2024: '07-03 11-29 12-24',
  2025: '07-03 11-28 12-24',
  2026: '11-27 12-24',
  2027: '11-26',
}

function daysOf(years: Readonly<Record<string, string>>): string[] {
  return Object.entries(years).flatMap(([year, days]) => days.split(' ').map(day => `${year}-${day}`))
}

const HALF_DAY_MINUTE = 13 * 60

export const XNYS: CalendarData = {
  name: 'XNYS',
  timezone: 'America/New_York',
  weekdays: [1, 2, 3, 4, 5],
  openMinute: 9 * 60 + 30,
  closeMinute: 16 * 60,
  holidays: daysOf(CLOSED),
  earlyCloses: Object.fromEntries(daysOf(HALF).map(day => [day, HALF_DAY_MINUTE])),
  validFrom: '2015-01-01',
  validUntil: '2027-12-31',
}
