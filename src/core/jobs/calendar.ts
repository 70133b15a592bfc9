/**
 * A trading calendar as data, and when it is open: pure, instants are Unix milliseconds, the zone comes from
 * outside. A day has one session at most, within that day. Promises: of days that its data do not reach it
 * says `unknown`, and never guesses.
 */
import type { TimeZone } from '../cron-instants.ts'
import { addDays, dayAt, instantOf, weekdayOf } from './local-day.ts'

/** Part of the plan: fit for JSON. Days are local, `2026-12-24`; minutes count from midnight, 0 to 1440. */
export interface CalendarData {
  readonly name: string
  /** IANA name. */
  readonly timezone: string
  /** Days of the week with a session; 0 is Sunday. */
  readonly weekdays: readonly number[]
  readonly openMinute: number
  readonly closeMinute: number
  /** Days without a session, whatever the reason. */
  readonly holidays: readonly string[]
  /** Days that end sooner, and with which minute. */
  readonly earlyCloses: Readonly<Record<string, number>>
  /** First and last day that the data speak of; null: no bound. */
  readonly validFrom: string | null
  readonly validUntil: string | null
}

export interface Calendar {
  readonly data: CalendarData
  readonly zone: TimeZone
}

export interface Session {
  readonly openMs: number
  /** No longer open at this instant. */
  readonly closeMs: number
}

type Unknown = 'unknown'

const SOON_DAYS = 60

export function isTradingDay(data: CalendarData, day: string): boolean | Unknown {
  if (!knows(data, day)) return 'unknown'
  return data.weekdays.includes(weekdayOf(day)) && !data.holidays.includes(day)
}

/** null: the day has none. */
export function sessionOf({ data, zone }: Calendar, day: string): Session | null | Unknown {
  const trades = isTradingDay(data, day)
  if (trades === 'unknown') return 'unknown'
  if (!trades) return null
  const openMs = instantOf(zone, day, data.openMinute)
  const closeMs = instantOf(zone, day, closeMinuteOf(data, day))
  return openMs < closeMs ? { openMs, closeMs } : null
}

export function closeMinuteOf(data: CalendarData, day: string): number {
  return data.earlyCloses[day] ?? data.closeMinute
}

/** The session that this instant is in; null: closed. */
export function sessionAt(calendar: Calendar, ms: number): Session | null | Unknown {
  const day = dayAt(calendar.zone, ms)
  if (!knows(calendar.data, day)) return 'unknown'
  // A clock set back over midnight repeats a part of the day before.
  for (const near of [day, addDays(day, -1), addDays(day, 1)]) {
    const session = sessionOf(calendar, near)
    if (session !== null && session !== 'unknown' && session.openMs <= ms && ms < session.closeMs)
      return session
  }
  return null
}

/** What to warn of: the data have ended, or will within 60 days. */
export function endOfData({ data, zone }: Calendar, ms: number): 'ended' | 'soon' | null {
  const today = dayAt(zone, ms)
  if (data.validUntil === null || addDays(today, SOON_DAYS) < data.validUntil) return null
  return data.validUntil < today ? 'ended' : 'soon'
}

function knows({ validFrom, validUntil }: CalendarData, day: string): boolean {
  return (validFrom === null || validFrom <= day) && (validUntil === null || day <= validUntil)
}
