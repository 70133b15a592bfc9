/**
 * What core needs to know the instants of a job: its cron line as wall times, its zone. A job that the load
 * of the configuration accepted always has both.
 */
import type { Clockwork, JobSpec } from '../../core/schedule.ts'
import { readCronLine } from './cron-line.ts'
import { timeZone } from './time-zone.ts'

/** Throws for a job that a load would have refused. */
export function clockworkOf({ schedule, timezone }: JobSpec): Clockwork {
  const zone = timeZone(timezone)
  if (schedule.kind !== 'cron') return { matcher: null, zone }
  const read = readCronLine(schedule.line, schedule.seconds)
  if (!read.ok) throw new Error(read.message)
  return { matcher: read.matcher, zone }
}
