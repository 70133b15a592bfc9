/** `mark status` for people. */
import { describeExit } from '../core/exit.ts'
import type { KillView, ModuleView, StatusDocument } from '../core/view.ts'
import type { CliContext } from './context.ts'
import { jobTable } from './job-table.ts'
import { paintFleet, paintHealth, paintState } from './paint.ts'
import { bytes, type Column, percent, span, table } from './table.ts'
import { visibleCell } from './visible.ts'

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
