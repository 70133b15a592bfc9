/**
 * What a job's schedule is, as data, and its next instant. All times are Unix milliseconds; a wall time is
 * what a clock on the wall shows, counted as if it showed UTC. Promises: the next instant is strictly after
 * the given one, and every instant between the two has the same next. Never reads a clock, nor a zone file:
 * the cron line and the zone come from outside.
 */
import { type Dst, nextCron, type Planned, type TimeZone, type WallMatcher } from './cron-instants.ts'

export type Schedule =
  | { readonly kind: 'cron'; readonly line: string; readonly seconds: boolean }
  | { readonly kind: 'every'; readonly everyMs: number }
  | { readonly kind: 'at'; readonly atMs: number }
  | { readonly kind: 'after'; readonly jobs: readonly string[] }
  | { readonly kind: 'none' }

export interface JobSpec {
  readonly name: string
  readonly schedule: Schedule
  /** IANA name. */
  readonly timezone: string
  readonly dst: Dst
}

/** What nextInstant is handed from outside; `matcher` is null unless the schedule is a cron line. */
export interface Clockwork {
  readonly matcher: WallMatcher | null
  readonly zone: TimeZone
}

/** The first instant strictly after `afterMs`; null when there is none, or none that a clock decides. */
export function nextInstant(job: JobSpec, clockwork: Clockwork, afterMs: number): Planned | null {
  const { schedule } = job
  const plain = (atMs: number): Planned => ({ atMs, note: null })
  switch (schedule.kind) {
    case 'cron':
      return clockwork.matcher && nextCron(clockwork.matcher, clockwork.zone, job.dst, afterMs)
    case 'every':
      return plain((Math.floor(afterMs / schedule.everyMs) + 1) * schedule.everyMs)
    case 'at':
      return schedule.atMs > afterMs ? plain(schedule.atMs) : null
    default:
      return null
  }
}
