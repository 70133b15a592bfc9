/**
 * Jobs as a table: how each is, when it is due, how its last run ended.
 */
import type { JobView } from '../core/jobs/ledger-row.ts'
import type { CliContext } from './context.ts'
import { distance } from './job-texts.ts'
import { paintJobState, paintOutcome } from './paint-job.ts'
import { table } from './table.ts'
import { visibleCell } from './visible.ts'

type Look = Pick<CliContext, 'paint' | 'isTty' | 'columns'>

const COLUMNS = ['JOB', 'STATE', 'NEXT', 'LAST', 'SCHEDULE', 'NOTE'].map(title => ({ title }))
const NOTE = COLUMNS.length - 1

export function jobTable(jobs: readonly JobView[], context: Look, nowMs: number): string[] {
  const rows = jobs.map(job => [
    visibleCell(job.name),
    paintJobState(context.paint, job.state),
    job.next_at === null ? '-' : `${job.next_local ?? job.next_at} (${distance(job.next_at, nowMs)})`,
    job.last === null
      ? '-'
      : `${paintOutcome(context.paint, job.last.outcome)} ${distance(job.last.at, nowMs)}`,
    visibleCell(job.schedule),
    noteOf(job, nowMs),
  ])
  const columns = rows.some(row => row[NOTE] !== '') ? COLUMNS : COLUMNS.slice(0, NOTE)
  return table(columns, rows, context.isTty ? context.columns : null)
}

function noteOf({ paused, runs, begin_by }: JobView, nowMs: number): string {
  const parts = runs.map(run => {
    const since = run.started_at === null ? '' : ` ${distance(run.started_at, nowMs)}`
    return `${run.outcome} ${run.run_id}${since}`
  })
  if (begin_by != null) parts.push(`must begin by ${begin_by.slice(11, 16)}${begin_by.slice(19)}`)
  if (paused !== null) {
    const why = paused.note === null ? '' : `: ${visibleCell(paused.note)}`
    parts.unshift(`paused by ${visibleCell(paused.by)} ${distance(paused.at, nowMs)}${why}`)
  }
  return parts.join('; ')
}
