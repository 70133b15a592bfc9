/**
 * `mark run JOB`: one run now, by hand. What became of it decides the exit status: a run that fails is 1, one
 * that is refused or skipped 5. Ctrl-C ends the wait, never the run.
 */
import { MarkError } from '../../core/errors.ts'
import type { LedgerRow } from '../../core/jobs/ledger-row.ts'
import { outcomeKind } from '../../core/outcome-kind.ts'
import type { CliContext } from '../context.ts'
import { Interrupts } from '../interrupts.ts'
import { jobPath, ofJob, orderJobs } from '../job-asks.ts'
import { distance, reasonText, tookText } from '../job-texts.ts'
import { paintOutcome } from '../paint-job.ts'
import { RunWatch } from '../run-watch.ts'
import { clockTime } from '../table.ts'
import { visibleCell } from '../visible.ts'

export interface RunOptions {
  readonly params: Readonly<Record<string, string>>
  readonly from: string | null
  readonly wait: boolean
}

const INTERRUPTED = 1

export async function run(context: CliContext, job: string, options: RunOptions): Promise<number> {
  const { params, from, wait } = options
  const watch = wait ? await RunWatch.open(context.stateDir().daemonSocket) : null
  try {
    const order = { params, ...(from === null ? {} : { from }) }
    const asked = await ofJob(context, job, () => orderJobs<LedgerRow>(context, jobPath(job, '/run'), order))
    const row = watch === null ? asked : await followed(context, watch, asked)
    if (row === null) return INTERRUPTED
    tell(context, row)
    return 0
  } finally {
    watch?.close()
  }
}

/** Ends with its last row, or with null at Ctrl-C. */
async function followed(context: CliContext, watch: RunWatch, asked: LedgerRow): Promise<LedgerRow | null> {
  const interrupts = new Interrupts(context, ['SIGINT', 'SIGTERM'])
  context.note(`run ${asked.run_id} of ${visibleCell(asked.job)}`)
  let said = ''
  const changed = (row: LedgerRow): void => {
    const line = progressOf(row)
    if (line !== said) context.note(`${clockTime(Date.now())}  ${line}`)
    said = line
  }
  try {
    const row = await watch.end(asked, changed, interrupts.first)
    if (row === null) context.note(`the run goes on; to end it: mark job cancel ${asked.run_id}`)
    return row
  } finally {
    interrupts.close()
  }
}

function progressOf(row: LedgerRow): string {
  const last = row.attempts.at(-1)
  if (outcomeKind(row.outcome) !== 'open') return `${row.outcome} after ${count(row.attempts.length)}`
  const why = reasonText(row)
  if (last === undefined) return `waiting${why && `: ${why}`}`
  if (last.ended_at === null) return `attempt ${row.attempts.length} runs`
  return `attempt ${row.attempts.length} ended${why && `: ${why}`}`
}

function count(attempts: number): string {
  return attempts === 1 ? '1 attempt' : `${attempts} attempts`
}

/** Prints the row; one that did not or will not succeed is an error. */
function tell(context: CliContext, row: LedgerRow): void {
  const reason = reasonText(row)
  if (context.options.json) context.json(row)
  else {
    const took = row.ended_at !== null && row.started_at !== null ? `took ${tookText(row, Date.now())}` : ''
    const facts = [row.run_id, paintOutcome(context.paint, row.outcome), took, reason]
    context.out(facts.filter(fact => fact !== '').join('  '))
  }
  const kind = outcomeKind(row.outcome)
  const why = reason === '' ? row.outcome : `${row.outcome}, ${reason}`
  const hint = `mark job show ${row.run_id}`
  if (kind === 'bad') throw new MarkError('MARK_FAILED', `The run did not succeed: ${why}.`, hint)
  if (kind === 'not_run') throw new MarkError('MARK_REFUSED', `The run does not start: ${why}.`, hint)
  const late = Date.parse(row.planned_at) > Date.now() ? ` ${distance(row.planned_at, Date.now())}` : ''
  if (kind === 'open' && !context.options.json) context.note(`it is ${row.outcome}${late}: ${hint}`)
}
