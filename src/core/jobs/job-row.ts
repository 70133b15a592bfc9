/**
 * One row of the ledger: a planned instant or another wish to run a job, and what became of it. snake_case,
 * because it is shown as it is kept. Times with `_ms` are Unix milliseconds, the others UTC texts.
 */
import type { Exit } from '../exit.ts'

/** Still to be started, or under way. */
const OPEN = ['waiting', 'running'] as const
const ENDS = [
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'lost',
  'skipped_overlap',
  'skipped_paused',
  'skipped_calendar',
  'skipped_upstream',
  'missed',
  'refused_late',
  'refused_kill',
] as const

export type EndOutcome = (typeof ENDS)[number]
export type Outcome = (typeof OPEN)[number] | EndOutcome
export type Trigger = 'schedule' | 'after' | 'hand' | 'catch_up' | 'backfill' | 'retry_from'

/** `fleet`: MARK was taken down, or the kill switch fell. */
export type StopCause = 'attempt_timeout' | 'run_timeout' | 'overlap' | 'cancel' | 'fleet'

export interface AttemptStop {
  readonly cause: StopCause
  readonly by: string
  readonly why: string
}

export interface JobAttempt {
  /** MARK_RUN_ID of its processes. */
  readonly id: string
  readonly started_ms: number
  /** On the monotonic clock: by it its timeouts are counted. An attempt does not outlive a boot. */
  readonly mono_ms: number
  readonly ended_ms: number | null
  /** null: it goes on, or it could not be started. */
  readonly exit: Exit | null
  /** It was to be stopped; null: nobody asked for its end. */
  readonly stop: AttemptStop | null
  /** How it ended, for a person. */
  readonly reason: string
}

export interface JobRow {
  readonly run_id: string
  /** Grows with each change: an older word about it is not news. */
  readonly rev: number
  readonly job: string
  /** Its instant in the zone of the job, with offset; with the job its key. null: by hand or after others. */
  readonly nominal: string | null
  readonly nominal_ms: number | null
  readonly planned_ms: number
  readonly trigger: Trigger
  readonly by: string
  /** Its next attempt does not start before this: jitter, a delay after others, a wait after a failure. */
  readonly due_ms: number
  /** The number of that attempt: one that ended is judged before it grows. */
  readonly due_attempt: number
  readonly attempts: readonly JobAttempt[]
  readonly ended_ms: number | null
  readonly outcome: Outcome
  readonly reason: string
  readonly params: Readonly<Record<string, string>>
  /** The runs after which it came, by job. */
  readonly upstream: Readonly<Record<string, string>>
  /** What it printed for later jobs. */
  readonly outputs: Readonly<Record<string, string>>
  readonly cpu_s: number | null
  readonly memory_bytes: number | null
}

export function isOpen(row: Pick<JobRow, 'outcome'>): boolean {
  return row.outcome === 'waiting' || row.outcome === 'running'
}

/** The attempt that runs now; null: none does. */
export function liveAttempt(row: JobRow): JobAttempt | null {
  const last = row.attempts.at(-1)
  return last !== undefined && last.ended_ms === null ? last : null
}

/** A clock that was set back before the wait began does not make it longer. */
export function isDue(row: JobRow, nowMs: number): boolean {
  return row.due_ms <= nowMs || nowMs < (row.attempts.at(-1)?.ended_ms ?? row.planned_ms)
}

/** What the journal calls a change of this row. */
export function eventOf(row: JobRow): 'job_planned' | 'job_running' | 'job_ended' {
  if (!isOpen(row)) return 'job_ended'
  return row.attempts.length === 0 ? 'job_planned' : 'job_running'
}
