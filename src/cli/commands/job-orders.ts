/**
 * `mark job pause resume cancel backfill`: orders to the scheduler, and what they do.
 */
import type { JobView, LedgerRow } from '../../core/jobs/ledger-row.ts'
import { formatUtc } from '../../core/time.ts'
import { isUlid } from '../../host/ulid.ts'
import type { CliContext } from '../context.ts'
import { jobPath, ofJob, orderJobs, readJobs, runPath } from '../job-asks.ts'
import { distance, plannedText } from '../job-texts.ts'
import { visibleCell } from '../visible.ts'

export async function pauseJob(context: CliContext, job: string, note: string | null): Promise<number> {
  const order = note === null ? {} : { note }
  const view = await ofJob(context, job, () => orderJobs<JobView>(context, jobPath(job, '/pause'), order))
  const running = view.runs.length === 0 ? '' : '; what runs goes on'
  context.note(`${view.name} is paused: only by hand until \`mark job resume ${view.name}\`${running}`)
  return 0
}

export async function resumeJob(context: CliContext, job: string): Promise<number> {
  const view = await ofJob(context, job, () => orderJobs<JobView>(context, jobPath(job, '/resume'), {}))
  const next =
    view.next_at === null ? '' : `; next ${view.next_local} (${distance(view.next_at, Date.now())})`
  context.note(`${view.name} is not paused${next}`)
  return 0
}

export interface CancelOptions {
  /** Without grace. */
  readonly kill: boolean
  readonly reason: string | null
}

/** `word`: a run, or a job of which all runs are meant that are not over. */
export async function cancelJob(context: CliContext, word: string, options: CancelOptions): Promise<number> {
  const ids = isUlid(word) ? [word] : await openRuns(context, word)
  if (ids.length === 0) context.note(`no run of ${visibleCell(word)} runs or waits`)
  const order = { kill: options.kill, ...(options.reason === null ? {} : { reason: options.reason }) }
  for (const id of ids) {
    const row = await orderJobs<LedgerRow>(context, runPath(id, '/cancel'), order)
    const how =
      row.outcome === 'running' ? (options.kill ? 'is killed' : 'is told to stop') : `is ${row.outcome}`
    context.note(`run ${row.run_id} of ${visibleCell(row.job)} ${how}`)
  }
  return 0
}

async function openRuns(context: CliContext, job: string): Promise<string[]> {
  const { runs } = await ofJob(context, job, () => readJobs<JobView>(context, jobPath(job)))
  return runs.map(run => run.run_id)
}

export interface BackfillSpan {
  readonly fromMs: number
  readonly untilMs: number
}

export async function backfillJob(context: CliContext, job: string, span: BackfillSpan): Promise<number> {
  const order = { from: formatUtc(span.fromMs), until: formatUtc(span.untilMs) }
  const { runs } = await ofJob(context, job, () =>
    orderJobs<{ runs: LedgerRow[] }>(context, jobPath(job, '/backfill'), order),
  )
  if (context.options.json) {
    context.json({ job, runs })
    return 0
  }
  for (const run of runs) context.out(`${run.run_id}  ${plannedText(run, 'UTC')}`)
  const count = runs.length === 1 ? '1 run' : `${runs.length} runs, one after the other`
  context.note(
    runs.length === 0 ? 'no instant that is over lies in this time' : `${count}: mark job history ${job}`,
  )
  return 0
}
