/**
 * What `when:` says by the calendars of a plan, with their zones looked up: for the scheduler, for
 * `mark job next` and for the feeds of modules, which must all say the same.
 */
import type { TimeZone } from '../../core/cron-instants.ts'
import type { Calendar } from '../../core/jobs/calendar.ts'
import { allowedAt } from '../../core/jobs/when.ts'
import type { WhenSpec } from '../../core/jobs/when-spec.ts'
import type { Plan } from '../../core/plan.ts'
import { timeZone } from './time-zone.ts'

type Calendars = Plan['calendars']

/** The one that `when` names; null where it names none. */
export function calendarOf({ calendar }: WhenSpec, calendars: Calendars): Calendar | null {
  const data = calendars?.[calendar ?? '']
  return data === undefined ? null : { data, zone: timeZone(data.timezone) }
}

/** Why `when` does not allow this instant (Unix milliseconds); null: it does. `zone`: of who asks. */
export function closedWhy(
  when: WhenSpec | null,
  calendars: Calendars,
  zone: TimeZone,
  ms: number,
): string | null {
  if (when === null) return null
  const answer = allowedAt(when, calendarOf(when, calendars), zone, ms)
  return answer.allowed ? null : answer.reason
}
