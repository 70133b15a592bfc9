/** `when:` of a job or of heartbeats, fully resolved: the days and hours that count. */

/** Days and hours in which runs are allowed; a part that is null says nothing. */
export interface WhenSpec {
  /** Name of a calendar that MARK knows: `24x7`, `XNYS`, or one of `calendars:`. */
  readonly calendar: string | null
  /** Part of the calendar's day: `open` is the session. */
  readonly session: 'open' | 'closed' | null
  /** Local days `YYYY-MM-DD` that never count. */
  readonly exclude: readonly string[]
  readonly active: ActiveHours | null
}

/** Waking time, in the job's zone. `untilMinute` <= `fromMinute`: over midnight, of the day it began on. */
export interface ActiveHours {
  /** Minutes of the day, 0 to 1440. */
  readonly fromMinute: number
  readonly untilMinute: number
  /** 0 is Sunday. */
  readonly weekdays: readonly number[]
}
