/**
 * Reads of the ledger in the archive: rows by page, one row, and where the attempts of a run wrote. Only
 * SELECTs; every answer is bounded.
 */
import type { JobRowPage, JobRowQuery, RunSpan } from '../../contract/api.ts'
import type { JobRow } from '../../core/jobs/job-row.ts'
import type { Store } from './store.ts'

/** Newest first. */
export function findJobRows(store: Store, query: JobRowQuery): JobRowPage {
  const { job, outcome, sinceMs, before, limit } = query
  const wanted: [string, (string | number)[] | null][] = [
    ['job = ?', job === null ? null : [job]],
    ['outcome = ?', outcome === null ? null : [outcome]],
    ['planned_ms >= ?', sinceMs === null ? null : [sinceMs]],
    ['(planned_ms, run_id) < (?, ?)', before === null ? null : [before.plannedMs, before.runId]],
  ]
  const given = wanted.filter((pair): pair is [string, (string | number)[]] => pair[1] !== null)
  const where = given.length === 0 ? '' : `WHERE ${given.map(([clause]) => clause).join(' AND ')}`
  const found = store
    .statement(`SELECT row FROM job_rows ${where} ORDER BY planned_ms DESC, run_id DESC LIMIT ?`)
    .all(...given.flatMap(([, values]) => values), limit + 1)
  return { rows: found.slice(0, limit).map(asRow), more: found.length > limit }
}

export function findJobRow(store: Store, runId: string): JobRow | null {
  const found = store.statement('SELECT row FROM job_rows WHERE run_id = ?').get(runId)
  return found ? asRow(found) : null
}

const SPANS_MAX = 100

/** Where these processes began and ended to write in their log; unknown ones are left out. */
export function findSpans(store: Store, runIds: readonly string[]): RunSpan[] {
  const offsets = store.statement(
    "SELECT kind, data FROM events WHERE run_id = ? AND kind IN ('started', 'exited') ORDER BY id",
  )
  return runIds.slice(-SPANS_MAX).flatMap(runId => {
    const found = offsets.all(runId)
    const of = (kind: string): number | null => {
      const data = found.find(row => row.kind === kind)?.data
      const offset =
        typeof data === 'string' ? (JSON.parse(data) as { log_offset?: unknown }).log_offset : null
      return typeof offset === 'number' ? offset : null
    }
    const from = of('started')
    return from === null ? [] : [{ runId, from, to: of('exited') }]
  })
}

function asRow(found: Record<string, unknown>): JobRow {
  return JSON.parse(found.row as string) as JobRow
}
