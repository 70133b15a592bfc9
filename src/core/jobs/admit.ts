/**
 * May a wish to run become a run: one gate for the schedule, for what comes after others, for catching up
 * and for a hand. Promises: no way around a pause, the kill switch, the calendar or the overlap rule.
 */
import type { JobOp } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import { type EndOutcome, isOpen, type JobRow, liveAttempt } from './job-row.ts'
import { endOp, openRows, rowOf, type Scheduling, type Wish } from './scheduling.ts'

export interface Admission {
  readonly row: JobRow
  /** What becomes of older runs. The row itself is not among them. */
  readonly ops: readonly JobOp[]
}

/** How many runs may wait for the one before. */
const QUEUE_MAX = 100

/** `added`: rows that were admitted before it and are not in the book yet. */
export function admit(job: JobPlan, wish: Wish, given: Scheduling, added: readonly JobRow[] = []): Admission {
  const refusal = refusalOf(job, wish, given)
  if (refusal) return { row: rowOf(job, wish, given, refusal), ops: [] }
  const open = [
    ...openRows(given.book, job.name),
    ...added.filter(row => row.job === job.name && isOpen(row)),
  ]
  const overlap = overlapOf(job, wish, open)
  if (overlap !== null) {
    return { row: rowOf(job, wish, given, { outcome: 'skipped_overlap', reason: overlap }), ops: [] }
  }
  const row = rowOf(job, wish, given, null)
  return { row, ops: open.flatMap(older => makeWay(job, older, row)) }
}

function refusalOf(
  job: JobPlan,
  { trigger, nominal }: Wish,
  { book, nowMs, killed, closed }: Scheduling,
): { outcome: EndOutcome; reason: string } | null {
  const kill = killed(job.name)
  if (kill !== null) return { outcome: 'refused_kill', reason: kill }
  // What a person asks for is meant, whatever the day.
  if (trigger === 'hand' || trigger === 'retry_from') return null
  const { paused } = book.memory(job.name)
  if (paused && trigger !== 'backfill') {
    const note = paused.note === null ? '' : `: ${paused.note}`
    return { outcome: 'skipped_paused', reason: `paused by ${paused.by}${note}` }
  }
  const why = closed(job, nominal?.ms ?? nowMs)
  if (why !== null) return { outcome: 'skipped_calendar', reason: why }
  const late = lateness(job, nominal?.ms ?? null, nowMs)
  return late === null || trigger === 'backfill' ? null : { outcome: 'refused_late', reason: late }
}

/** Why a run of this instant would start too late now; null: it would not. */
export function lateness(job: JobPlan, nominalMs: number | null, nowMs: number): string | null {
  if (job.deadlineMs === null || nominalMs === null || nowMs - nominalMs <= job.deadlineMs) return null
  const late = Math.round((nowMs - nominalMs) / 1000)
  return `${late} s after its instant; its deadline is ${job.deadlineMs / 1000} s`
}

/** Why it does not even wait; null: it runs now or later. */
function overlapOf(job: JobPlan, { trigger }: Wish, open: readonly JobRow[]): string | null {
  const [before] = open
  if (before === undefined || job.overlap === 'allow') return null
  // One after the other: that is what catching up is.
  if (trigger === 'catch_up' || trigger === 'backfill') return null
  if (job.overlap === 'skip') return `the run before it (${before.run_id}) is not done`
  const isFull = job.overlap === 'queue' && open.filter(row => liveAttempt(row) === null).length >= QUEUE_MAX
  return isFull ? `${QUEUE_MAX} runs wait already` : null
}

function makeWay(job: JobPlan, older: JobRow, newer: JobRow): JobOp[] {
  if (job.overlap !== 'cancel_previous' && job.overlap !== 'kill_previous') return []
  if (newer.trigger === 'catch_up' || newer.trigger === 'backfill') return []
  const why = `a later run (${newer.run_id}) takes its place`
  const live = liveAttempt(older)
  if (live === null) return [endOp(older, 'cancelled', why)]
  if (live.stop !== null) return []
  const stop = { cause: 'overlap', by: 'overlap', why } as const
  const kill = job.overlap === 'kill_previous'
  return [{ op: 'stop', run_id: older.run_id, attempts: older.attempts.length, stop, kill }]
}
