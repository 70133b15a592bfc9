/**
 * `mark describe M`: all about one module: how it is, how it is declared, how it last ended. Names of
 * variables and secrets, never a value.
 */
import type { DossierRecord, ExitRecord, ModuleRecord, SaidRecord } from '../../contract/api.ts'
import { MarkError } from '../../core/errors.ts'
import { describeExit } from '../../core/exit.ts'
import type { LadderSpec, ModuleSpec, Plan } from '../../core/plan.ts'
import { resolveTargets } from '../../core/targets.ts'
import { formatDuration } from '../../core/time.ts'
import type { ModuleView } from '../../core/view.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { askDaemon } from '../../host/daemon-client.ts'
import { askFleet } from '../ask-fleet.ts'
import type { CliContext } from '../context.ts'
import { paintHealth, paintState } from '../paint.ts'
import { heartbeatText, saidRows } from '../said-rows.ts'
import { bytes, pad, percent, span } from '../table.ts'
import { visible, visibleCell } from '../visible.ts'

const DAEMON_MS = 1_000

export async function describe(context: CliContext, word: string): Promise<number> {
  const state = context.stateDir()
  const { document } = await askFleet(context)
  const plan = peekChecked(state.plan).value as Plan | null
  const names = document.modules.map(module => module.name)
  const [name, ...more] = resolveTargets([word], { modules: names, groups: {} })
  const view = document.modules.find(module => module.name === name)
  if (view === undefined || more.length > 0) {
    throw new MarkError('MARK_USAGE', `\`${visible(word)}\` means several modules.`, 'describe takes one.')
  }
  const spec = plan?.modules.find(candidate => candidate.name === name) ?? null
  const exits = await exitsOf(state.daemonSocket, view.name)
  const said = await saidBy(state.daemonSocket, view.name)
  const last = exits?.[0]
  const dossier = last ? await dossierOf(state.daemonSocket, last.run_id) : null
  if (context.options.json)
    context.json({ module: view, said, config: spec && shownSpec(spec), exits, dossier })
  else print(context, { view, said, spec, exits, dossier })
  return 0
}

async function exitsOf(socket: string, name: string): Promise<ExitRecord[] | null> {
  const page = (await askDaemon(socket, `/api/v1/modules/${name}/exits?limit=5`, DAEMON_MS)) as {
    exits?: ExitRecord[]
  } | null
  return page?.exits ?? null
}

/** null: nothing, or no daemon is there to know. */
async function saidBy(socket: string, name: string): Promise<SaidRecord | null> {
  const record = (await askDaemon(socket, `/api/v1/modules/${name}`, DAEMON_MS)) as ModuleRecord | null
  return record?.said ?? null
}

async function dossierOf(socket: string, runId: string): Promise<DossierRecord | null> {
  const exit = (await askDaemon(socket, `/api/v1/exits/${runId}`, DAEMON_MS)) as {
    dossier?: DossierRecord | null
  } | null
  return exit?.dossier ?? null
}

/** The declaration without the values of its environment. */
function shownSpec(spec: ModuleSpec) {
  return { ...spec, environment: Object.keys(spec.environment).sort() }
}

interface Known {
  readonly view: ModuleView
  readonly said: SaidRecord | null
  readonly spec: ModuleSpec | null
  readonly exits: readonly ExitRecord[] | null
  readonly dossier: DossierRecord | null
}

function print(context: CliContext, { view, said, spec, exits, dossier }: Known): void {
  const show = (rows: readonly (readonly [string, string | null])[]): void => {
    for (const [title, value] of rows)
      if (value !== null) context.out(`  ${context.paint('dim', pad(title, 14))} ${value}`)
  }
  context.out(
    [context.paint('bold', view.name), paintState(context.paint, view.state), visibleCell(view.reason)].join(
      '  ',
    ),
  )
  show(runRows(view, context))
  if (said) {
    context.out(context.paint('bold', 'says'))
    show(saidRows(said))
  }
  if (spec) {
    context.out(context.paint('bold', 'declared'))
    show(specRows(spec))
  }
  if (exits && exits.length > 0) {
    context.out(context.paint('bold', 'last exits'))
    for (const exit of exits) {
      const reason = exit.reason ? `  ${visibleCell(exit.reason)}` : ''
      context.out(`  ${exit.at}  ${pad(describeExit(exit), 16)}  up ${span(exit.uptime_s)}${reason}`)
    }
  }
  if (dossier) printDossier(context, dossier)
}

function printDossier(context: CliContext, dossier: DossierRecord): void {
  const count = dossier.count > 1 ? ` (${dossier.count} times)` : ''
  const traceback = dossier.traceback ? dossier.traceback.split('\n') : null
  context.out(context.paint('bold', traceback ? `traceback${count}` : `last lines${count}`))
  if (traceback === null && dossier.lines.length === 0) context.out('  it wrote nothing')
  for (const line of traceback ?? dossier.lines.slice(-10)) context.out(`  ${visible(line)}`)
  const heartbeat = heartbeatText(dossier.heartbeat)
  if (heartbeat !== null) context.out(`  ${context.paint('dim', 'last heartbeat')}  ${heartbeat}`)
}

type Row = readonly [string, string | null]

function runRows(view: ModuleView, context: CliContext): Row[] {
  const { hold, last_exit: exit } = view
  return [
    ['kind', view.kind],
    ['health', paintHealth(context.paint, view.health)],
    ['trading', view.trading_state === null ? null : visibleCell(view.trading_state)],
    ['data age', view.data_age_s === null ? null : span(view.data_age_s)],
    ['pid', view.pid === null ? null : String(view.pid)],
    ['run', view.run_id],
    ['started', view.started_at],
    ['uptime', view.uptime_s === null ? null : span(view.uptime_s)],
    ['restarts', String(view.restarts)],
    ['next start', view.next_start_at],
    ['held', hold && `${visibleCell(hold.reason)} (by ${visibleCell(hold.by)}, ${hold.at})`],
    ['cpu', view.cpu_percent === null ? null : percent(view.cpu_percent)],
    ['memory', view.memory_bytes === null ? null : bytes(view.memory_bytes)],
    ['disk', view.disk_bytes === null ? null : bytes(view.disk_bytes)],
    ['last exit', exit && `${describeExit(exit)}, ${exit.at}, up ${span(exit.uptime_s)}`],
  ]
}

/** `alert at once, pause after 30s`; null: no heartbeat is judged. */
function ladderText(ladder: LadderSpec | undefined): string | null {
  if (ladder === undefined) return null
  const { pauseMs, recoverMs, restartMs } = ladder
  const rungs = Object.entries({ pause: pauseMs, recover: recoverMs, restart: restartMs })
    .filter((rung): rung is [string, number] => rung[1] !== null)
    .map(([name, ms]) => `${name} after ${formatDuration(ms)}`)
  return ['alert at once', ...rungs].join(', ')
}

function specRows(spec: ModuleSpec): Row[] {
  const { restart, stop } = spec
  const { probe, intervalMs, action } = spec.health ?? { probe: null, intervalMs: 0, action: '' }
  const health = probe ? `${probe.kind} each ${formatDuration(intervalMs)}, then ${action}` : 'process alive'
  const delays = `${formatDuration(restart.delayMs)} to ${formatDuration(restart.maxDelayMs)}`
  const budget = restart.budget
    .map(({ count, windowMs }) => `${count}/${formatDuration(windowMs)}`)
    .join(', ')
  const list = (items: readonly string[]): string | null =>
    items.length === 0 ? null : items.map(visibleCell).join(' ')
  return [
    ['command', list(spec.argv)],
    ['directory', visibleCell(spec.workingDir)],
    ['user', spec.user],
    ['depends on', list(spec.dependsOn.map(dependency => `${dependency.name} (${dependency.condition})`))],
    [
      'ready',
      spec.ready.kind === 'delay' ? `after ${formatDuration(spec.ready.delayMs)}` : `by ${spec.ready.kind}`,
    ],
    ['health probe', health],
    ['when stale', ladderText(spec.heartbeat?.ladder)],
    ['restart', `${restart.policy}, ${delays}, at most ${budget}, then ${restart.whenSpent}`],
    ['stop', `${stop.signal}, then SIGKILL after ${formatDuration(stop.graceMs)}`],
    ['lock', spec.lock],
    ['env files', list(spec.envFiles)],
    ['variables', list(Object.keys(spec.environment).sort())],
    ['secrets', list(spec.secrets)],
  ]
}
