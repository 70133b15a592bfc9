/** The calendars that MARK brings, by name. */
import type { CalendarData } from '../calendar.ts'
import { XNYS } from './xnys.ts'

const ALWAYS: CalendarData = {
  name: '24x7',
  timezone: 'UTC',
  weekdays: [0, 1, 2, 3, 4, 5, 6],
  openMinute: 0,
  closeMinute: 1440,
  holidays: [],
  earlyCloses: {},
  validFrom: null,
  validUntil: null,
}

export const KNOWN_CALENDARS: Readonly<Record<string, CalendarData>> = {
  [ALWAYS.name]: ALWAYS,
  [XNYS.name]: XNYS,
}
