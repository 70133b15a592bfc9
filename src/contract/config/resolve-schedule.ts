/**
 * When a job runs: one of `schedule`, `every`, `at`, `after`, or by hand alone. Everything that can be wrong
 * with it is said at its place.
 */
import { type JobSpec, type Schedule, nextInstant } from '../../core/schedule.ts'
import { formatDuration } from '../../core/time.ts'
import { parseRfc3339 } from '../../core/wall-time.ts'
import type { ReadCronLine } from '../jobs/cron-line.ts'
import { isTimeZone, timeZone } from '../jobs/time-zone.ts'
import type { JobInput } from './schema-job.ts'
import { problemAt, problemAtKey, type Scope } from './scope.ts'
import { warnOfSchedule } from './warn-schedule.ts'

/** null: it cannot be known, and that is said. */
export function resolveSchedule(
  scope: Scope,
  name: string,
  input: JobInput,
  fleetZone: string,
  read: ReadCronLine,
): JobSpec | null {
  const at = ['jobs', name]
  const timezone = input.timezone ?? fleetZone
  if (!isTimeZone(timezone)) {
    // The fleet's own is said at its own place.
    const hint = 'write one such as UTC or Europe/Amsterdam'
    if (input.timezone) problemAt(scope, [...at, 'timezone'], `"${timezone}" is not a time zone`, hint)
    return null
  }
  const schedule = scheduleOf(scope, name, input)
  if (schedule === null) return null
  const job: JobSpec = { name, schedule, timezone, dst: input.dst }
  if (schedule.kind !== 'cron') {
    checkJitter(scope, name, input, schedule.kind === 'every' ? schedule.everyMs : null)
    return job
  }
  const line = read(schedule.line, schedule.seconds)
  if (!line.ok) {
    problemAt(scope, [...at, 'schedule'], line.message, line.hint)
    return null
  }
  const clockwork = { matcher: line.matcher, zone: timeZone(timezone) }
  warnOfSchedule(scope, job, schedule.line, clockwork)
  if (input.jitter > 0) checkJitter(scope, name, input, shortestGap(job, clockwork))
  return job
}

const WAYS = ['schedule', 'every', 'at', 'after'] as const

function scheduleOf(scope: Scope, name: string, input: JobInput): Schedule | null {
  const at = ['jobs', name]
  const given = WAYS.filter(way => input[way] !== undefined)
  if (given.length > 1) {
    const [first, second] = given
    const message = `\`${first}\` and \`${second}\` both say when it runs`
    problemAtKey(scope, [...at, second as string], message, 'keep one of them, or make two jobs')
    return null
  }
  if (input.seconds && input.schedule === undefined) {
    problemAtKey(
      scope,
      [...at, 'seconds'],
      '`seconds` belongs to a cron line',
      'remove it, or add `schedule:`',
    )
  }
  if (input.schedule !== undefined) return { kind: 'cron', line: input.schedule, seconds: input.seconds }
  if (input.every !== undefined) return { kind: 'every', everyMs: input.every }
  if (input.after !== undefined) {
    return { kind: 'after', jobs: Array.isArray(input.after) ? input.after : Object.keys(input.after) }
  }
  if (input.at === undefined) return { kind: 'none' }
  const atMs = parseRfc3339(input.at)
  if (atMs !== null) return { kind: 'at', atMs }
  const hint = 'write date, time and offset: 2026-03-29T14:30:00+02:00, or ...Z for UTC'
  problemAt(scope, [...at, 'at'], `"${input.at}" is not an RFC 3339 time`, hint)
  return null
}

/** A start past that of the next run, so that two instants would change places; or past the deadline. */
function checkJitter(scope: Scope, name: string, { jitter, deadline }: JobInput, gapMs: number | null): void {
  const path = ['jobs', name, 'jitter']
  const most = `a jitter of ${formatDuration(jitter)}`
  if (gapMs !== null && jitter > 0 && jitter >= gapMs) {
    const message = `${most} reaches the next run, ${formatDuration(gapMs)} later`
    problemAt(scope, path, message, `write less than ${formatDuration(gapMs)}`)
  } else if (deadline !== undefined && jitter >= deadline) {
    const message = `${most} reaches the deadline: by chance a run would be refused`
    problemAt(scope, path, message, `write less than ${formatDuration(deadline)}`)
  }
}

const SAMPLE = 500
const FROM_MS = Date.UTC(2030, 0)
const UNTIL_MS = Date.UTC(2040, 0)

/** The shortest distance between two runs, among the first of some hundreds. */
function shortestGap(job: JobSpec, clockwork: Parameters<typeof nextInstant>[1]): number | null {
  let gap: number | null = null
  let last = nextInstant(job, clockwork, FROM_MS)
  for (let count = 0; last !== null && last.atMs < UNTIL_MS && count < SAMPLE; count++) {
    const next = nextInstant(job, clockwork, last.atMs)
    if (next !== null) gap = Math.min(gap ?? Number.POSITIVE_INFINITY, next.atMs - last.atMs)
    last = next
  }
  return gap
}
