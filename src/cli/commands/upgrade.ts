/**
 * `mark upgrade`: the version of MARK that runs this command takes over the fleet, in the running keeper's
 * own process. Refused, nothing has changed. Done when the new keeper serves and its daemon is there.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { MarkError } from '../../core/errors.ts'
import type { FleetEvent, ModuleView, ProcessView } from '../../core/view.ts'
import { askDaemon } from '../../host/daemon-client.ts'
import type { KeeperClient } from '../../host/line-socket.ts'
import { lockHolder, lockWaiters } from '../../host/lock-holder.ts'
import { distrust, type NewVersion, probe } from '../../host/new-version.ts'
import type { CliContext } from '../context.ts'
import { requireKeeper } from '../fleet.ts'
import { Follow } from '../follow.ts'
import { installedUnit } from '../installed-unit.ts'
import { findKeeper, keeperArgv, keeperEnvironment } from '../keeper-start.ts'
import { visibleCell } from '../visible.ts'

export interface UpgradeOptions {
  readonly check: boolean
  readonly force: boolean
  readonly timeoutMs: number
}

const DAEMON_MS = 15_000
const SUCCESSION_MS = 3_000
const LOOK_AGAIN_MS = 50

export async function upgrade(context: CliContext, options: UpgradeOptions): Promise<number> {
  const [node, main] = keeperArgv(context, context.stateDir().dir) as [string, string]
  const order = { node, main, version: context.version }
  if (options.check) return await check(context, order)
  const follow = await Follow.start(await requireKeeper(context))
  try {
    const from = keeperOf(follow)
    if (from.version === context.version && !options.force) {
      context.note(`the keeper runs ${from.version} already; nothing to do.`)
      return 0
    }
    const deadline = performance.now() + options.timeoutMs
    const before = new Map(follow.views)
    await propose(context, follow, order, options.timeoutMs)
    const to = await arrived(context, follow, from, deadline)
    context.out(`upgraded ${from.version} -> ${to.version}: ${sameOrNot(from, to)}, ${count(follow, before)}`)
    noteUnit(context, main)
    return 0
  } finally {
    follow.keeper.close()
  }
}

async function check(context: CliContext, order: NewVersion): Promise<number> {
  const { dir } = context.stateDir()
  const why = distrust(order, context.uid)
  if (why !== null) throw new MarkError('MARK_REFUSED', why)
  const keeper = await findKeeper(context)
  if (keeper === null)
    throw new MarkError('MARK_NOT_RUNNING', 'No keeper runs here.', '`mark up` starts this version.')
  const from = keeperOf(await Follow.start(keeper))
  keeper.close()
  const fault = await probe(order, dir, keeperEnvironment(context.env)).fault
  if (fault !== null) throw MarkError.fromBody(fault)
  const keeperNow = `${from.version} (keeper pid ${from.pid})`
  context.out(`${order.version} can take over from ${keeperNow}: it runs here and reads this state.`)
  return 0
}

/** Asks, and returns when the connection closed: the keeper changes now. Throws its refusal. */
async function propose(
  context: CliContext,
  follow: Follow,
  order: NewVersion,
  timeoutMs: number,
): Promise<void> {
  let refusal: FleetEvent | null = null
  follow.onEvent(event => {
    if (event.kind === 'upgrade_refused' && event.data.to === order.version) refusal = event
  })
  try {
    await follow.keeper.ask({ ask: 'upgrade', ...order, by: context.by })
  } catch (error) {
    throw withHint(context, error)
  }
  const how = await follow.until(() => refusal !== null, timeoutMs)
  if (how === 'timeout')
    throw new MarkError(
      'MARK_TIMED_OUT',
      'The keeper did not change in time.',
      'it goes on trying; see `mark events`.',
    )
  if (refusal !== null) throw refused((refusal as FleetEvent).data)
}

function refused(data: FleetEvent['data']): MarkError {
  const code = String(data.code) as MarkError['code']
  const hint = 'the version before goes on; nothing was changed.'
  return MarkError.fromBody({ code, message: String(data.reason), hint })
}

/** What to do where the keeper cannot be replaced in place: replace it by another process. */
function withHint(context: CliContext, error: unknown): unknown {
  if (!(error instanceof MarkError)) return error
  const tooOld = error.code === 'MARK_PROTOCOL'
  if (!tooOld && error.code !== 'MARK_UNSUPPORTED') return error
  const { keeperLock } = context.stateDir()
  const unit = installedUnit(context, keeperLock)
  const pids = [...lockWaiters(keeperLock), lockHolder(keeperLock)].join(' ')
  const systemctl = unit?.scope === 'user' ? 'systemctl --user' : 'systemctl'
  const restart = unit
    ? `\`mark install\`, then \`${systemctl} kill --kill-who=main -s KILL ${unit.name}\``
    : `\`kill -KILL ${pids}; mark status\``
  const sentence = tooOld ? 'The running keeper is too old to be upgraded in place.' : error.message
  return new MarkError('MARK_UNSUPPORTED', sentence, `restart MARK alone: ${restart}. No module notices.`)
}

/** The keeper that came out of it, with its daemon there. */
async function arrived(
  context: CliContext,
  follow: Follow,
  from: ProcessView,
  deadline: number,
): Promise<ProcessView> {
  await follow.attach(await reach(context, deadline))
  const keeper = keeperOf(follow)
  if (keeper.version !== context.version || keeper.started_at === from.started_at) {
    const who = `${keeper.version} keeps the fleet (keeper pid ${keeper.pid})`
    const sentence = `${context.version} did not come up; ${who}.`
    throw new MarkError('MARK_FAILED', sentence, `see ${context.stateDir().keeperLog}.`)
  }
  const daemonMs = performance.now() + DAEMON_MS
  while (!(await daemonIs(context))) {
    if (performance.now() > daemonMs) {
      const sentence = `The keeper is ${keeper.version} now, but its daemon does not answer.`
      throw new MarkError('MARK_FAILED', sentence, `see ${context.stateDir().daemonLog}.`)
    }
    await delay(LOOK_AGAIN_MS)
  }
  await follow.refresh()
  return keeper
}

/** For an instant nobody listens; a keeper that died of it has a successor, which is given its time. */
async function reach(context: CliContext, deadline: number): Promise<KeeperClient> {
  const successorMs = performance.now() + SUCCESSION_MS
  for (;;) {
    const keeper = await findKeeper(context, Math.max(1_000, deadline - performance.now()))
    if (keeper !== null) return keeper
    if (performance.now() > successorMs) return await requireKeeper(context)
    await delay(LOOK_AGAIN_MS)
  }
}

async function daemonIs(context: CliContext): Promise<boolean> {
  const answer = await askDaemon(context.stateDir().daemonSocket, '/healthz', 1_000)
  const { keeper, version } = (answer ?? {}) as { keeper?: unknown; version?: unknown }
  return keeper === true && version === context.version
}

function keeperOf(follow: Follow): ProcessView {
  const { keeper } = follow.head
  if (keeper === null) throw new MarkError('MARK_INTERNAL', 'The keeper does not say who it is.')
  return keeper
}

function sameOrNot(from: ProcessView, to: ProcessView): string {
  return from.pid === to.pid ? `same keeper pid ${to.pid}` : `keeper pid ${from.pid} -> ${to.pid}`
}

function count(follow: Follow, before: ReadonlyMap<string, ModuleView>): string {
  const ran = [...before.values()].filter(view => view.pid !== null)
  const anew = ran.filter(view => follow.views.get(view.name)?.run_id !== view.run_id)
  const left = ran.length - anew.length
  const untouched = `${left} ${left === 1 ? 'module' : 'modules'} untouched`
  if (anew.length === 0) return untouched
  return `${untouched}, ended by themselves meanwhile: ${anew.map(view => visibleCell(view.name)).join(', ')}`
}

/** systemd starts what the unit names, should this keeper ever die. */
function noteUnit(context: CliContext, main: string): void {
  const unit = installedUnit(context, context.stateDir().keeperLock)
  if (unit === null || readFileSync(unit.file, 'utf8').includes(main)) return
  context.note(`note: ${unit.name} still names the version before: run \`mark install\`.`)
}
