/**
 * `mark job show RUN_ID`: all about one run: its row, its attempts, what it put out, its last lines.
 */
import type { LogRecord } from '../../contract/api.ts'
import { describeExit } from '../../core/exit.ts'
import type { LedgerRow } from '../../core/jobs/ledger-row.ts'
import type { CliContext } from '../context.ts'
import { readJobs, runPath } from '../job-asks.ts'
import { localText, plannedText, reasonText, tookText } from '../job-texts.ts'
import { paintOutcome } from '../paint-job.ts'
import { bytes, pad, span } from '../table.ts'
import { visible, visibleCell } from '../visible.ts'
import { zoneOf } from './job-history.ts'

const LINES = 20

export async function jobShow(context: CliContext, runId: string): Promise<number> {
  const row = await readJobs<LedgerRow>(context, runPath(runId))
  const { lines } = await readJobs<{ lines: LogRecord[] }>(context, runPath(runId, `/log?n=${LINES}`))
  if (context.options.json) context.json({ run: row, log: lines })
  else print(context, row, lines, await zoneOf(context, row.job))
  return 0
}

function print(context: CliContext, row: LedgerRow, lines: readonly LogRecord[], zone: string): void {
  const { paint } = context
  const title = (text: string): void => context.out(paint('bold', text))
  const pairs = (entries: readonly (readonly [string, string])[]): void => {
    for (const [name, value] of entries) context.out(`  ${paint('dim', pad(name, 10))} ${value}`)
  }
  const head = [paint('bold', visibleCell(row.job)), paintOutcome(paint, row.outcome), reasonText(row)]
  context.out(head.filter(part => part !== '').join('  '))
  pairs(factsOf(row, zone))
  for (const [name, values] of Object.entries({ params: row.params, outputs: row.outputs })) {
    const entries = Object.entries(values)
    if (entries.length > 0) title(name)
    pairs(entries.map(([key, value]) => [visibleCell(key), visibleCell(value)]))
  }
  if (row.attempts.length > 0) title('attempts')
  for (const [index, attempt] of row.attempts.entries()) {
    const { started_at, ended_at, exit, reason } = attempt
    const how = ended_at === null ? 'runs' : exit === null ? 'did not start' : describeExit(exit)
    const took = ended_at === null ? '' : span((Date.parse(ended_at) - Date.parse(started_at)) / 1000)
    const why = reason === how ? '' : visibleCell(reason)
    const parts = [String(index + 1), localText(started_at, zone), how, took, why]
    context.out(`  ${parts.filter(part => part !== '').join('  ')}`)
  }
  if (lines.length > 0) title('last lines')
  for (const line of lines) context.out(`  ${visible(line.text)}`)
}

function factsOf(row: LedgerRow, zone: string): [string, string][] {
  const upstream = Object.entries(row.upstream).map(([job, run]) => `${visibleCell(job)} ${visibleCell(run)}`)
  const facts: [string, string | null][] = [
    ['run', row.run_id],
    ['planned', plannedText(row, zone)],
    ['trigger', `${row.trigger} (by ${visibleCell(row.by)})`],
    ['after', upstream.length === 0 ? null : upstream.join(', ')],
    ['started', row.started_at && localText(row.started_at, zone)],
    ['late by', row.late_s === null ? null : span(row.late_s)],
    ['ended', row.ended_at && localText(row.ended_at, zone)],
    ['took', row.started_at && tookText(row, Date.now())],
    ['cpu', row.cpu_s === null ? null : `${row.cpu_s.toFixed(1)}s`],
    ['memory', row.memory_bytes === null ? null : bytes(row.memory_bytes)],
  ]
  return facts.filter((fact): fact is [string, string] => fact[1] !== null)
}
