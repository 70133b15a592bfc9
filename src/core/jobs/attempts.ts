/**
 * What an attempt that is over means for its run, and when one that goes on must end. Promises: a run whose
 * end nobody saw is lost, and not tried again by itself.
 */
import { describeExit } from '../exit.ts'
import type { JobOp } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { JobAttempt, JobRow, StopCause } from './job-row.ts'
import { endOp } from './scheduling.ts'

/** After its last attempt: it ends, or is tried again. Who can read them adds the outputs of a success. */
export function judgeAttempt(job: JobPlan, row: JobRow, attempt: JobAttempt, nowMs: number): JobOp {
  const end = judgeLast(row, attempt)
  if (end.outcome !== 'failed' && attempt.stop?.cause !== 'attempt_timeout') return end
  const code = end.outcome === 'timed_out' || attempt.exit?.signal ? null : (attempt.exit?.code ?? null)
  const due_ms = againMs(job, row, code, nowMs)
  if (due_ms === null) return end
  return { op: 'again', run_id: row.run_id, attempts: row.attempts.length, due_ms, reason: end.reason }
}

/** The same where there is no further attempt. */
export function judgeLast(row: JobRow, { exit, stop, reason }: JobAttempt): ReturnType<typeof endOp> {
  if (stop?.cause === 'run_timeout') return endOp(row, 'timed_out', stop.why)
  const isTimeout = stop?.cause === 'attempt_timeout'
  if (stop && !isTimeout) return endOp(row, 'cancelled', `${stop.why} (${stop.by})`)
  if (!isTimeout && (exit === null ? reason.startsWith('lost') : !exit.known))
    return endOp(row, 'lost', 'nobody saw how it ended: it is not run again by itself')
  if (!isTimeout && exit?.code === 0) return endOp(row, 'succeeded', '')
  if (isTimeout) return endOp(row, 'timed_out', stop.why)
  return endOp(row, 'failed', exit === null ? reason : describeExit(exit))
}

/** When the next attempt begins; null: there is none. */
function againMs(job: JobPlan, row: JobRow, code: number | null, nowMs: number): number | null {
  const { retry, timeout } = job
  const done = row.attempts.length
  if (done > retry.limit) return null
  if (retry.onExit !== 'any' && (code === null || !retry.onExit.includes(code))) return null
  const grown = retry.delayMs * retry.multiplier ** Math.min(done - 1, 64)
  const atMs = nowMs + Math.round(Math.min(grown, retry.maxDelayMs ?? Number.MAX_SAFE_INTEGER))
  const endsMs = (row.attempts[0]?.started_ms ?? nowMs) + (timeout.runMs ?? Number.POSITIVE_INFINITY)
  return atMs < endsMs ? atMs : null
}

export interface Limit {
  readonly atMs: number
  readonly cause: StopCause
  readonly why: string
}

/** When it must end at the latest, on the monotonic clock; null: never. */
export function limitOf({ timeout }: JobPlan, row: JobRow, attempt: JobAttempt): Limit | null {
  const limits: Limit[] = []
  if (timeout.attemptMs !== null) {
    const why = `its attempt took longer than ${timeout.attemptMs / 1000} s`
    limits.push({ atMs: attempt.mono_ms + timeout.attemptMs, cause: 'attempt_timeout', why })
  }
  if (timeout.runMs !== null) {
    const why = `it took longer than ${timeout.runMs / 1000} s`
    const began = row.attempts[0]?.mono_ms ?? attempt.mono_ms
    limits.push({ atMs: began + timeout.runMs, cause: 'run_timeout', why })
  }
  return limits.sort((a, b) => a.atMs - b.atMs)[0] ?? null
}
