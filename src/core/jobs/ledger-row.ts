/**
 * A row of the ledger and a job as people and programs see them (SPEC 6 and 8). Times are UTC texts, except
 * `nominal`, which has the offset of the job's zone. Unknown is null; every key is always there.
 */
import type { Exit } from '../exit.ts'
import { formatUtc } from '../time.ts'
import type { JobRow, Outcome, Trigger } from './job-row.ts'

export interface LedgerRow {
  readonly job: string
  readonly run_id: string
  readonly nominal: string | null
  readonly planned_at: string
  readonly started_at: string | null
  readonly ended_at: string | null
  /** From its instant to its start. */
  readonly late_s: number | null
  readonly trigger: Trigger
  readonly by: string
  readonly attempts: readonly {
    /** MARK_RUN_ID, under which its lines and its exit are found. */
    readonly run_id: string
    readonly started_at: string
    readonly ended_at: string | null
    readonly exit: Exit | null
    readonly reason: string
  }[]
  readonly outcome: Outcome
  readonly reason: string
  readonly params: Readonly<Record<string, string>>
  readonly upstream: Readonly<Record<string, string>>
  readonly outputs: Readonly<Record<string, string>>
  readonly cpu_s: number | null
  readonly memory_bytes: number | null
}

/** `mark jobs`, `jobs` of `mark status --json`, GET /api/v1/jobs. */
export interface JobView {
  readonly name: string
  readonly state: 'idle' | 'waiting' | 'running' | 'paused'
  readonly last: { readonly run_id: string; readonly outcome: Outcome; readonly at: string } | null
  readonly next_at: string | null
  /** The same with the offset of its zone. */
  readonly next_local: string | null
  /** The cron line, `every 90s`, `at ...`, `after a, b`, `by hand`. */
  readonly schedule: string
  /** When it must begin to be done by its `finish_by`, with offset; null: nobody can say, or it is done. */
  readonly begin_by: string | null
  readonly timezone: string
  readonly paused: { readonly by: string; readonly note: string | null; readonly at: string } | null
  /** Its open rows, oldest first. */
  readonly runs: readonly LedgerRow[]
}

export function ledgerRow(row: JobRow): LedgerRow {
  const started = row.attempts[0]?.started_ms ?? null
  const utc = (ms: number | null): string | null => (ms === null ? null : formatUtc(ms))
  return {
    job: row.job,
    run_id: row.run_id,
    nominal: row.nominal,
    planned_at: formatUtc(row.planned_ms),
    started_at: utc(started),
    ended_at: utc(row.ended_ms),
    late_s: started === null || row.nominal_ms === null ? null : (started - row.nominal_ms) / 1000,
    trigger: row.trigger,
    by: row.by,
    attempts: row.attempts.map(({ id, started_ms, ended_ms, exit, reason }) => ({
      run_id: id,
      started_at: formatUtc(started_ms),
      ended_at: utc(ended_ms),
      exit,
      reason,
    })),
    outcome: row.outcome,
    reason: row.reason,
    params: row.params,
    upstream: row.upstream,
    outputs: row.outputs,
    cpu_s: row.cpu_s,
    memory_bytes: row.memory_bytes,
  }
}
