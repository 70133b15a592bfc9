/**
 * The scheduler's one decision: what is to be remembered of a job now, or else which attempts begin, and when
 * to look again. Level-triggered: it compares the book with the plan and the time, so that a forgotten event
 * never matters and asking twice changes nothing.
 */
import { lateness } from './admit.ts'
import { judgeAttempt, judgeLast, limitOf } from './attempts.ts'
import { type End, ripple } from './downstream.ts'
import { decideInstants } from './instants.ts'
import type { JobOp } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import { type EndOutcome, isDue, isOpen, type JobRow, liveAttempt } from './job-row.ts'
import { type Decision, endOp, openRows, type Scheduling, type StartOrder } from './scheduling.ts'

export function decideJob(name: string, given: Scheduling): Decision {
  const job = given.jobs.get(name)
  return job ? decidePlanned(job, given) : decideGone(name, given)
}

/** The plan knows it no more: what runs may run out, nothing of it begins. */
function decideGone(name: string, given: Scheduling): Decision {
  const ops = openRows(given.book, name).flatMap((row): JobOp[] => {
    if (liveAttempt(row)) return []
    const last = row.attempts.at(-1)
    const isJudged = last === undefined || row.due_attempt > row.attempts.length
    return [isJudged ? endOp(row, 'cancelled', 'the plan knows the job no more') : judgeLast(row, last)]
  })
  return { ops: withDownstream(ops, given), starts: [], wakeMs: null }
}

function decidePlanned(job: JobPlan, given: Scheduling): Decision {
  const instants = decideInstants(job, given)
  const ops: JobOp[] = [...instants.ops, ...instants.rows.map(row => ({ op: 'row' as const, row }))]
  if (ops.length > 0) return { ops: withDownstream(ops, given), starts: [], wakeMs: given.nowMs }
  const rows = openRows(given.book, job.name)
  const more = rows.flatMap(row => progress(job, row, given))
  if (more.length > 0) return { ops: withDownstream(more, given), starts: [], wakeMs: given.nowMs }
  const starts = startable(job, rows, given)
  const times = rows.map(row => wakeOf(job, row, given))
  return { ops, starts, wakeMs: earliest([instants.wakeMs, ...times]) }
}

/** What follows from the rows that end here, in the same breath. */
export function withDownstream(ops: readonly JobOp[], given: Scheduling): JobOp[] {
  const ends = ops.flatMap((op): End[] => {
    if (op.op === 'row' && !isOpen(op.row))
      return [{ job: op.row.job, run_id: op.row.run_id, outcome: op.row.outcome as EndOutcome }]
    const ended = op.op === 'end' ? given.book.rows.get(op.run_id) : undefined
    return ended && op.op === 'end' ? [{ job: ended.job, run_id: op.run_id, outcome: op.outcome }] : []
  })
  return [...ops, ...ripple(ends, given)]
}

function progress(job: JobPlan, row: JobRow, given: Scheduling): JobOp[] {
  const { nowMs } = given
  const live = liveAttempt(row)
  const last = row.attempts.at(-1)
  if (live) {
    const limit = limitOf(job, row, live)
    if (limit === null || live.stop !== null || limit.atMs > given.monoMs) return []
    const stop = { cause: limit.cause, by: 'timeout', why: limit.why }
    return [{ op: 'stop', run_id: row.run_id, attempts: row.attempts.length, stop, kill: false }]
  }
  if (last && row.due_attempt === row.attempts.length) return [judgeAttempt(job, row, last, nowMs)]
  if (!isDue(row, nowMs)) return []
  const kill = given.killed(job.name)
  if (kill !== null) return [endOp(row, last ? 'cancelled' : 'refused_kill', kill)]
  const late = last || row.trigger === 'backfill' ? null : lateness(job, row.nominal_ms, nowMs)
  return late === null ? [] : [endOp(row, 'refused_late', late)]
}

/** Who may begin now: nobody of the job before it, and a free place in its pool. */
function startable(job: JobPlan, rows: readonly JobRow[], given: Scheduling): StartOrder[] {
  const starts: StartOrder[] = []
  let free = placesFree(job, given)
  let isBusy = rows.some(row => liveAttempt(row) !== null)
  for (const row of rows) {
    if (liveAttempt(row) || !isDue(row, given.nowMs) || free <= 0) continue
    // A run between two attempts is not done: the next one waits for it.
    const before = rows.find(other => other !== row && other.attempts.length > 0)
    if (job.overlap !== 'allow' && (isBusy || (before && row.attempts.length === 0))) continue
    starts.push({ row, attemptId: given.mintId(), attempt: row.attempts.length + 1 })
    isBusy = true
    free--
  }
  return starts
}

function placesFree({ pool }: JobPlan, { pools, book, jobs }: Scheduling): number {
  if (pool === null) return Number.POSITIVE_INFINITY
  const taken = book.liveAttempts().filter(({ row }) => jobs.get(row.job)?.pool === pool).length
  return (pools[pool] ?? 1) - taken
}

function wakeOf(job: JobPlan, row: JobRow, { nowMs, monoMs }: Scheduling): number | null {
  const live = liveAttempt(row)
  if (live) {
    const limit = live.stop === null ? limitOf(job, row, live) : null
    return limit === null ? null : nowMs + limit.atMs - monoMs
  }
  if (!isDue(row, nowMs)) return row.due_ms
  // It waits for somebody else; its deadline does not.
  return job.deadlineMs === null || row.nominal_ms === null ? null : row.nominal_ms + job.deadlineMs + 1
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter(time => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}
