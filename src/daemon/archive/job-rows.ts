/**
 * The ledger in the archive: of each row the newest word. Told of again, or by an older journal, a row stays
 * what it is; an instant has one row, and of two that claim it the one told of later. Writes only within the
 * store's own transaction.
 */
import type { StatementSync } from 'node:sqlite'
import { isOpen, type JobRow } from '../../core/jobs/job-row.ts'
import type { FleetEvent } from '../../core/view.ts'

type Prepare = (sql: string) => StatementSync

const KINDS: ReadonlySet<string> = new Set(['job_planned', 'job_running', 'job_ended'])
const KEYED = new Set(['schedule', 'catch_up'])

/** Takes the row that this event tells of; `atMs`: when it was told. Other events are nothing. */
export function keepJobRow(prepare: Prepare, { kind, data }: FleetEvent, atMs: number): void {
  if (!KINDS.has(kind) || !isRow(data)) return
  const row = data as unknown as JobRow
  const { run_id, job, nominal_ms, planned_ms, trigger, outcome, rev } = row
  if (nominal_ms !== null && KEYED.has(trigger)) {
    prepare(
      `DELETE FROM job_rows WHERE job = ? AND nominal_ms = ? AND trigger IN ('schedule', 'catch_up')
         AND run_id <> ? AND told_ms <= ?`,
    ).run(job, nominal_ms, run_id, atMs)
  }
  prepare(
    `INSERT INTO job_rows (run_id, job, nominal_ms, planned_ms, trigger, outcome, rev, told_ms, ended, row)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (run_id) DO UPDATE SET outcome = excluded.outcome, rev = excluded.rev,
       told_ms = excluded.told_ms, ended = excluded.ended, row = excluded.row WHERE excluded.rev > rev
     ON CONFLICT DO NOTHING`,
  ).run(
    run_id,
    job,
    nominal_ms,
    planned_ms,
    trigger,
    outcome,
    rev,
    atMs,
    isOpen(row) ? 0 : 1,
    JSON.stringify(row),
  )
}

/** Deletes at most `limit` rows that ended before `beforeMs`. Returns how many. */
export function forgetJobRows(prepare: Prepare, beforeMs: number, limit: number): number {
  const forget = prepare(
    `DELETE FROM job_rows WHERE run_id IN
       (SELECT run_id FROM job_rows WHERE ended = 1 AND told_ms < ? LIMIT ?)`,
  )
  return Number(forget.run(beforeMs, limit).changes)
}

/** An event of another version must not stop the import. */
function isRow(data: FleetEvent['data']): boolean {
  const texts = [data.run_id, data.job, data.trigger, data.outcome]
  const numbers = [data.planned_ms, data.rev]
  return (
    texts.every(text => typeof text === 'string') &&
    numbers.every(Number.isSafeInteger) &&
    (data.nominal_ms === null || Number.isSafeInteger(data.nominal_ms)) &&
    Array.isArray(data.attempts)
  )
}
