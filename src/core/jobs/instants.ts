/**
 * The instants of a schedule that have come, each decided once: run, or recorded with the reason why not.
 * What passed while nobody watched the clock goes through the job's rule for missed ones, never through the
 * live path.
 */
import type { Planned } from '../cron-instants.ts'
import { type Clockwork, nextInstant } from '../schedule.ts'
import { formatUtc } from '../time.ts'
import { formatLocal } from '../wall-time.ts'
import { admit } from './admit.ts'
import type { JobOp } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { JobRow } from './job-row.ts'
import { rowOf, type Scheduling, type Wish } from './scheduling.ts'

/** Instants in one decision; the rest follows at once. */
const BATCH = 500
/** So many missed instants have a row each; of those before them one row tells. */
const MISSED_ROWS_MAX = 20_000

export interface Instants {
  readonly rows: readonly JobRow[]
  readonly ops: readonly JobOp[]
  /** The next one; null: there is none. */
  readonly wakeMs: number | null
}

export function decideInstants(job: JobPlan, given: Scheduling): Instants {
  const { schedule } = job
  if (schedule.kind === 'none' || schedule.kind === 'after') return { rows: [], ops: [], wakeMs: null }
  const clockwork = given.clockworkOf(job)
  const decidedMs = given.book.memory(job.name).decided_ms
  if (decidedMs === null) {
    // Seen for the first time: what was before is nobody's.
    return { rows: [], ops: [{ op: 'decided', job: job.name, until_ms: given.nowMs }], wakeMs: given.nowMs }
  }
  const due: Planned[] = []
  let next = nextInstant(job, clockwork, decidedMs)
  for (; next !== null && next.atMs <= given.nowMs && due.length < BATCH; ) {
    due.push(next)
    next = nextInstant(job, clockwork, next.atMs)
  }
  if (due.length === 0) return { rows: [], ops: [], wakeMs: next?.atMs ?? null }
  const over = farBehind(job, due, given)
  if (over) return { ...over, wakeMs: given.nowMs }
  return { ...decide(job, due, clockwork, given), wakeMs: next?.atMs ?? null }
}

function decide(job: JobPlan, due: readonly Planned[], clockwork: Clockwork, given: Scheduling) {
  const rows: JobRow[] = []
  const ops: JobOp[] = []
  const missed = due.filter(({ atMs }) => atMs < given.watchedSinceMs)
  const chosen = chooseMissed(job, missed, clockwork, given)
  for (const { atMs } of due) {
    const isMissed = atMs < given.watchedSinceMs
    const wish = wishOf(job, atMs, clockwork, given, isMissed)
    if (isMissed && !chosen.has(atMs)) {
      rows.push(rowOf(job, wish, given, { outcome: 'missed', reason: whyMissed(job) }))
      continue
    }
    const admission = admit(job, wish, given, rows)
    ops.push(...admission.ops)
    rows.push(admission.row)
  }
  return { rows, ops }
}

function wishOf(job: JobPlan, ms: number, { zone }: Clockwork, given: Scheduling, isMissed: boolean): Wish {
  const local = formatLocal(ms, zone.stretchAt(ms).offsetMs)
  const jitter = isMissed ? 0 : Math.floor(job.jitterMs * given.chance())
  return {
    trigger: isMissed ? 'catch_up' : 'schedule',
    by: 'schedule',
    nominal: { ms, local },
    dueMs: ms + jitter,
    params: {},
    upstream: {},
  }
}

/** Which of the missed ones run after all. */
function chooseMissed(
  job: JobPlan,
  missed: readonly Planned[],
  clockwork: Clockwork,
  given: Scheduling,
): ReadonlySet<number> {
  const { missed: policy } = job
  const last = missed.at(-1)
  if (last === undefined || policy.kind === 'none' || policy.kind === 'ask') return new Set()
  const behind = (ms: number): number | null => {
    const next = nextInstant(job, clockwork, ms)
    return next !== null && next.atMs < given.watchedSinceMs ? next.atMs : null
  }
  if (policy.kind !== 'all') return new Set(behind(last.atMs) === null ? [last.atMs] : [])
  const sinceMs = given.nowMs - (policy.windowMs ?? Number.POSITIVE_INFINITY)
  const young = missed.filter(({ atMs }) => atMs >= sinceMs)
  // The newest `max` of all that were missed: those of later batches come first.
  let room = policy.max ?? Number.POSITIVE_INFINITY
  for (let ms = behind(last.atMs); ms !== null && room > 0 && policy.max !== null; ms = behind(ms)) room--
  return new Set(young.slice(Math.max(0, young.length - room)).map(({ atMs }) => atMs))
}

function whyMissed({ missed: { kind } }: JobPlan): string {
  const policy = kind === 'all' ? 'beyond the bounds of missed: all' : `missed: ${kind}`
  return `it passed while nobody watched the clock (${policy})`
}

/** One row for all instants but the newest, where there would be more rows than anybody reads. */
function farBehind(
  job: JobPlan,
  due: readonly Planned[],
  given: Scheduling,
): Omit<Instants, 'wakeMs'> | null {
  const [first, last] = [due[0], due.at(-1)]
  if (!first || !last || due.length < BATCH) return null
  const apart = (last.atMs - first.atMs) / (due.length - 1)
  const untilMs = Math.floor(given.watchedSinceMs - apart * MISSED_ROWS_MAX)
  if (last.atMs >= untilMs) return null
  const wish: Wish = {
    trigger: 'catch_up',
    by: 'schedule',
    nominal: { ms: first.atMs, local: formatUtc(first.atMs) },
    dueMs: first.atMs,
    params: {},
    upstream: {},
  }
  const count = Math.round((untilMs - first.atMs) / apart)
  const more = `${count} more until ${formatUtc(untilMs)}`
  const reason = `it and about ${more} passed while nobody watched the clock`
  const row = rowOf(job, wish, given, { outcome: 'missed', reason })
  return { rows: [row], ops: [{ op: 'decided', job: job.name, until_ms: untilMs }] }
}
