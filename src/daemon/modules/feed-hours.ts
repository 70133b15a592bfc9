/**
 * For how long data had been due at an instant, by `heartbeat.when`: looked up in the calendars and the zone
 * of a plan. Promises: hours that are not known (the data of a calendar have ended) are hours, so that a
 * frozen feed is told too often rather than never.
 */
import { calendarOf } from '../../contract/jobs/market-hours.ts'
import { timeZone } from '../../contract/jobs/time-zone.ts'
import { allowedForMs } from '../../core/jobs/when.ts'
import type { HeartbeatSpec, Plan } from '../../core/plan.ts'

/** Infinity: always. Says no more than that it is longer than max_data_age. */
export type FeedsDue = (spec: HeartbeatSpec | null, wallMs: number) => number

export function feedHours({ timezone, calendars }: Pick<Plan, 'timezone' | 'calendars'>): FeedsDue {
  return (spec, wallMs) => {
    if (!spec?.when || spec.maxDataAgeMs === null) return Number.POSITIVE_INFINITY
    const calendar = calendarOf(spec.when, calendars)
    return allowedForMs(spec.when, calendar, timeZone(timezone), wallMs, spec.maxDataAgeMs + 1)
  }
}
