/**
 * What the scheduler's rules are given: the plan's jobs, the keeper's book as it is known, and answers that
 * come from outside. Pure: time, chance and ids are handed in.
 */
import type { Clockwork } from '../schedule.ts'
import type { JobBook, JobOp } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { EndOutcome, JobRow, Trigger } from './job-row.ts'

export interface Scheduling {
  readonly jobs: ReadonlyMap<string, JobPlan>
  readonly pools: Readonly<Record<string, number>>
  readonly book: JobBook
  readonly nowMs: number
  /** Monotonic. */
  readonly monoMs: number
  /**
   * Since when the clock was watched without a gap: instants before it passed while nobody looked, also those
   * that a step of the clock or a suspended host jumped over.
   */
  readonly watchedSinceMs: number
  clockworkOf(job: JobPlan): Clockwork
  /** Why a run at this instant is not allowed by `when:`; null: it is. */
  closed(job: JobPlan, atMs: number): string | null
  /** Why the kill switch forbids it; null: it does not. */
  killed(job: string): string | null
  mintId(): string
  /** 0 to 1. */
  chance(): number
}

export interface StartOrder {
  readonly row: JobRow
  readonly attemptId: string
  /** 1 is the first. */
  readonly attempt: number
}

/** First what is to be remembered; starts only where there is nothing of that. `wakeMs`: look again then. */
export interface Decision {
  readonly ops: readonly JobOp[]
  readonly starts: readonly StartOrder[]
  readonly wakeMs: number | null
}

/** A row that is about to be: what asks for the run, and when. */
export interface Wish {
  readonly trigger: Trigger
  readonly by: string
  readonly nominal: { readonly ms: number; readonly local: string } | null
  readonly dueMs: number
  readonly params: Readonly<Record<string, string>>
  readonly upstream: Readonly<Record<string, string>>
}

export function rowOf(
  job: JobPlan,
  wish: Wish,
  given: Pick<Scheduling, 'nowMs' | 'mintId'>,
  end: { readonly outcome: EndOutcome; readonly reason: string } | null,
): JobRow {
  return {
    run_id: given.mintId(),
    rev: 0,
    job: job.name,
    nominal: wish.nominal?.local ?? null,
    nominal_ms: wish.nominal?.ms ?? null,
    planned_ms: given.nowMs,
    trigger: wish.trigger,
    by: wish.by,
    due_ms: wish.dueMs,
    due_attempt: 1,
    attempts: [],
    ended_ms: end === null ? null : given.nowMs,
    outcome: end?.outcome ?? 'waiting',
    reason: end?.reason ?? '',
    params: { ...job.params, ...wish.params },
    upstream: wish.upstream,
    outputs: {},
    cpu_s: null,
    memory_bytes: null,
  }
}

export function endOp(
  row: JobRow,
  outcome: EndOutcome,
  reason: string,
  more: Partial<Pick<JobRow, 'outputs' | 'cpu_s' | 'memory_bytes'>> = {},
): Extract<JobOp, { op: 'end' }> {
  const { run_id, attempts } = row
  const used = { outputs: {}, cpu_s: null, memory_bytes: null, ...more }
  return { op: 'end', run_id, attempts: attempts.length, outcome, reason, ...used }
}

/** Of one job, the oldest wish first; of those made at once, the oldest instant. */
export function openRows(book: JobBook, job: string): JobRow[] {
  return [...book.rowsOf(job)].sort(
    (a, b) =>
      a.planned_ms - b.planned_ms ||
      (a.nominal_ms ?? 0) - (b.nominal_ms ?? 0) ||
      (a.run_id < b.run_id ? -1 : 1),
  )
}
