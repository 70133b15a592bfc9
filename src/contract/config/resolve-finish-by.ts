/** `finish_by:` of a job: a time of day, and whose. */
import type { FinishBy } from '../../core/jobs/job-plan.ts'
import { isTimeZone } from '../jobs/time-zone.ts'
import type { Path } from './located.ts'
import { problemAt, type Scope } from './scope.ts'

/** `timezone`: of the job, unless it names another. */
export function finishByAt(
  scope: Scope,
  path: Path,
  written: string | undefined,
  timezone: string,
): FinishBy | null {
  if (written === undefined) return null
  const [, hours, minutes, zone] = /^(\d{1,2}):([0-5]\d)(?:\s+(\S+))?$/.exec(written.trim()) ?? []
  if (hours === undefined || minutes === undefined || Number(hours) > 23) {
    const hint = 'write "15:25", or "15:25 America/New_York"'
    problemAt(scope, path, `"${written}" is not a time of day from 00:00 to 23:59`, hint)
    return null
  }
  if (zone !== undefined && !isTimeZone(zone)) {
    const hint = 'write one such as UTC or Europe/Amsterdam'
    problemAt(scope, path, `"${zone}" is not a time zone`, hint)
    return null
  }
  return { minute: Number(hours) * 60 + Number(minutes), timezone: zone ?? timezone }
}
