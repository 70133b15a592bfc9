/**
 * For how long data had been due at an instant, by `heartbeat.when`: looked up in the calendars and the zone
 * of a plan. Promises: hours that are not known (the data of a calendar have ended) are hours, so that a
 * frozen feed is told too often rather than never.
 */
import { timeZone } from '../../contract/jobs/time-zone.ts'
import { allowedForMs } from '../../core/jobs/when.ts'
import type { HeartbeatSpec, Plan } from '../../core/plan.ts'

/** Infinity: always. Says no more than that it is longer than max_data_age. */
export type FeedsDue = (spec: HeartbeatSpec | null, wallMs: number) => number

export function feedHours({ timezone, calendars = {} }: Pick<Plan, 'timezone' | 'calendars'>): FeedsDue {
  return (spec, wallMs) => {
    if (!spec?.when || spec.maxDataAgeMs === null) return Number.POSITIVE_INFINITY
    const data = calendars[spec.when.calendar ?? '']
    const calendar = data === undefined ? null : { data, zone: timeZone(data.timezone) }
    return allowedForMs(spec.when, calendar, timeZone(timezone), wallMs, spec.maxDataAgeMs + 1)
  }
}
