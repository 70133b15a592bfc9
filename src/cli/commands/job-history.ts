/**
 * `mark job history JOB`: its rows in the ledger, newest first, one line each.
 */
import type { JobRunsRecord } from '../../contract/api.ts'
import { MarkError } from '../../core/errors.ts'
import type { JobView, LedgerRow } from '../../core/jobs/ledger-row.ts'
import type { CliContext } from '../context.ts'
import { jobPath, ofJob, readJobs } from '../job-asks.ts'
import { plannedText, reasonText, tookText } from '../job-texts.ts'
import { paintOutcome } from '../paint-job.ts'
import { type Column, span, table } from '../table.ts'
import { visibleCell } from '../visible.ts'

export interface HistoryOptions {
  readonly limit: number
  readonly outcome: string | null
}

const PAGE = 500

export async function jobHistory(context: CliContext, job: string, options: HistoryOptions): Promise<number> {
  const runs = await ofJob(context, job, () => rowsOf(context, job, options))
  if (context.options.json) {
    context.json({ job, runs })
    return 0
  }
  if (runs.length === 0)
    context.note(`${visibleCell(job)} has no run${options.outcome ? ' like that' : ''} yet.`)
  else await print(context, job, runs)
  return 0
}

async function rowsOf(context: CliContext, job: string, options: HistoryOptions): Promise<LedgerRow[]> {
  const { limit, outcome } = options
  const rows: LedgerRow[] = []
  for (let cursor: string | null = ''; cursor !== null && rows.length < limit; ) {
    const query = new URLSearchParams({ limit: String(Math.min(PAGE, limit - rows.length)) })
    if (outcome !== null) query.set('outcome', outcome)
    if (cursor !== '') query.set('cursor', cursor)
    const page: JobRunsRecord = await readJobs(context, jobPath(job, `/runs?${query}`))
    rows.push(...page.runs)
    cursor = page.next_cursor
  }
  return rows
}

const COLUMNS: readonly Column[] = [
  { title: 'PLANNED' },
  { title: 'TRIGGER' },
  { title: 'LATE', align: 'right' },
  { title: 'TOOK', align: 'right' },
  { title: 'ATTEMPTS', align: 'right' },
  { title: 'OUTCOME' },
  { title: 'RUN' },
  { title: 'REASON' },
]

async function print(context: CliContext, job: string, runs: readonly LedgerRow[]): Promise<void> {
  const zone = await zoneOf(context, job)
  const rows = runs.map(row => [
    plannedText(row, zone),
    row.trigger,
    span(row.late_s),
    tookText(row, Date.now()),
    String(row.attempts.length),
    paintOutcome(context.paint, row.outcome),
    row.run_id,
    reasonText(row),
  ])
  for (const line of table(COLUMNS, rows, context.isTty ? context.columns : null)) context.out(line)
}

/** Of a job that mark.yaml has no more, nobody knows it. */
export async function zoneOf(context: CliContext, job: string): Promise<string> {
  try {
    return (await readJobs<JobView>(context, jobPath(job))).timezone
  } catch (error) {
    if (error instanceof MarkError && error.code === 'MARK_NO_SUCH_JOB') return 'UTC'
    throw error
  }
}
