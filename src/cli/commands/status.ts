/**
 * `mark status`: the fleet at a glance. Always prints what it knows, from disk if need be; exit 3 if
 * nothing runs.
 */
import { existsSync } from 'node:fs'
import { MarkError } from '../../core/errors.ts'
import { describeExit } from '../../core/exit.ts'
import type { KillView, ModuleView, StatusDocument } from '../../core/view.ts'
import type { CliContext } from '../context.ts'
import { diskStatus, readDisk } from '../disk.ts'
import { askFleet, type FleetAnswer, revive } from '../fleet.ts'
import { jobTable } from '../job-table.ts'
import { loadPlan } from '../load-plan.ts'
import { paintFleet, paintHealth, paintState } from '../paint.ts'
import { bytes, type Column, percent, span, table } from '../table.ts'
import { visibleCell } from '../visible.ts'

const NOTHING_RUNS = 3

export async function status(context: CliContext): Promise<number> {
  const answer = await askFleet(context)
  const document = (await neverStarted(context, answer)) ?? answer.document
  if (context.options.json) context.json(document)
  else for (const line of statusLines(document, context)) context.out(line)
  if (answer.deserted) {
    const keeper = await revive(context)
    keeper.close()
  }
  const waits = document.keeper !== null && document.jobs.length > 0
  return waits || document.modules.some(module => module.pid !== null) ? 0 : NOTHING_RUNS
}

/** A fleet that was never started is shown as mark.yaml declares it. */
async function neverStarted(context: CliContext, answer: FleetAnswer): Promise<StatusDocument | null> {
  const state = context.stateDir()
  if (answer.source !== 'disk' || existsSync(state.plan) || context.place().configFile === null) return null
  context.note('nothing was started here yet: `mark up` starts it.')
  try {
    const { plan } = await loadPlan(context)
    return diskStatus(state, { ...readDisk(state), plan })
  } catch (error) {
    if (!(error instanceof MarkError)) throw error
    context.note('the configuration cannot be read: `mark check` says why.')
    return null
  }
}

/** Everything `mark status` prints, as lines. */
export function statusLines(
  document: StatusDocument,
  context: Pick<CliContext, 'paint' | 'isTty' | 'columns'>,
): string[] {
  const { paint } = context
  const lines = document.kills.map(kill => paint(['red', 'bold'], killLine(kill)))
  if (document.real_money)
    lines.push(
      paint(['red', 'bold'], `REAL money is at stake (mode ${document.mode}, autonomy ${document.autonomy})`),
    )
  lines.push(headLine(document, context))
  for (const what of document.degraded) lines.push(paint('yellow', `degraded: ${visibleCell(what)}`))
  const rows = document.modules.map(module => moduleRow(module, context))
  if (rows.length > 0) lines.push(...table(COLUMNS, rows, context.isTty ? context.columns : null))
  else if (document.jobs.length === 0) lines.push('no modules')
  if (document.jobs.length > 0) lines.push(...jobTable(document.jobs, context, Date.now()))
  return lines
}

function headLine(document: StatusDocument, { paint }: Pick<CliContext, 'paint'>): string {
  const keeper = document.keeper ? `keeper ${document.keeper.pid}` : 'no keeper'
  const daemon = document.daemon ? `daemon ${document.daemon.pid}` : 'no daemon'
  const mode = `${document.mode} ${document.autonomy} ${document.strategy}`
  const tail = paint('dim', `${mode} · ${keeper} · ${daemon}`)
  return `${paint('bold', visibleCell(document.fleet))}  ${paintFleet(paint, document.state)}  ${tail}`
}

export function killLine(kill: KillView): string {
  const why = kill.reason === null ? '' : `: ${visibleCell(kill.reason)}`
  const state = kill.complete ? 'complete' : 'not complete'
  const who = `${visibleCell(kill.id)}, by ${visibleCell(kill.by)}, ${state}`
  return `KILL ${kill.level} of ${visibleCell(kill.scope)} is tripped${why} (${who})`
}

const COLUMNS: readonly Column[] = [
  { title: 'NAME' },
  { title: 'STATE' },
  { title: 'HEALTH' },
  { title: 'PID', align: 'right' },
  { title: 'UPTIME', align: 'right' },
  { title: 'RESTARTS', align: 'right' },
  { title: 'CPU', align: 'right' },
  { title: 'MEMORY', align: 'right' },
  { title: 'LAST EXIT' },
  { title: 'REASON' },
]

function moduleRow(module: ModuleView, { paint }: Pick<CliContext, 'paint'>): string[] {
  return [
    visibleCell(module.name),
    paintState(paint, module.state),
    paintHealth(paint, module.health),
    module.pid === null ? '-' : String(module.pid),
    span(module.uptime_s),
    String(module.restarts),
    percent(module.cpu_percent),
    bytes(module.memory_bytes),
    module.last_exit ? visibleCell(describeExit(module.last_exit)) : '-',
    visibleCell(module.hold?.reason ?? module.reason),
  ]
}
