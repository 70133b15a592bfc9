/**
 * `mark kill`: the latch first, durable, then everything in scope stopped, and three lines about what was
 * done. The keeper does it while it answers within a second; otherwise this command does it alone. It
 * never asks back and never undoes anything.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { MarkError } from '../../core/errors.ts'
import { covers, parseScope } from '../../core/kill.ts'
import type { Plan } from '../../core/plan.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { systemClock } from '../../host/clock.ts'
import type { KillLevel } from '../../host/latch.ts'
import { KeeperClient } from '../../host/line-socket.ts'
import { lockHolder } from '../../host/lock-holder.ts'
import type { StateDir } from '../../host/state-dir.ts'
import { ulid } from '../../host/ulid.ts'
import type { CliContext } from '../context.ts'
import { liveRuns } from '../disk.ts'
import { Follow } from '../follow.ts'
import { hearingOf, pauseNote, toldLine } from '../pause-hearing.ts'
import { visible } from '../visible.ts'
import { type Kill, killAlone, latchedLine } from './kill-alone.ts'

export interface KillOptions {
  readonly scopes: readonly string[]
  readonly level: KillLevel
  readonly reason: string | null
  readonly drill: boolean
}

/** No answer in this time = dead (SPEC 6). */
const KEEPER_MS = 1_000
/** Beyond the longest grace: hooks, sweep, verify. */
const MARGIN_MS = 35_000

export async function kill(context: CliContext, options: KillOptions): Promise<number> {
  const state = context.stateDir()
  if (!existsSync(state.dir)) {
    throw new MarkError(
      'MARK_NOT_RUNNING',
      `Nothing was ever started here: there is no ${state.dir}.`,
      'go to the fleet, or name its state directory with --state-dir.',
    )
  }
  proveEntitled(context, state)
  const plan = planOf(state)
  const scopes = (options.scopes.length === 0 ? ['all'] : options.scopes).map(typed =>
    parseScope(typed, plan),
  )
  if (options.drill) return drill(context, state, plan, scopes, options)
  let status = 0
  for (const scope of scopes) {
    const id = `K-${ulid(systemClock.now().wallMs, size => randomBytes(size))}`
    const order: Kill = { id, scope, level: options.level, reason: options.reason, by: context.by }
    status = Math.max(status, await carryOut(context, state, plan, order))
  }
  return status
}

export function planOf(state: StateDir): Plan | null {
  try {
    return peekChecked(state.plan).value as Plan | null
  } catch {
    return null // a stop is never refused for want of knowledge
  }
}

async function carryOut(
  context: CliContext,
  state: StateDir,
  plan: Plan | null,
  order: Kill,
): Promise<number> {
  const ran = liveRuns(state)
    .filter(run => covers(order.scope, run.module, plan))
    .map(run => run.module)
  const keeper = await reach(state, order)
  if (keeper === null) return await killAlone(context, state, plan, order)
  try {
    const graceMs = Math.max(0, ...(plan?.modules ?? []).map(spec => spec.stop.graceMs))
    const done = await watchKill(context, { keeper, plan, order, ran, timeoutMs: graceMs + MARGIN_MS })
    return done ?? (await killAlone(context, state, plan, order))
  } finally {
    keeper.close()
  }
}

/**
 * A keeper that accepted the kill within a second, or null: whatever else goes wrong, the kill goes on
 * alone.
 */
async function reach(state: StateDir, order: Kill): Promise<KeeperClient | null> {
  const deadline = performance.now() + KEEPER_MS
  const { id: kill_id, ...rest } = order
  for (;;) {
    const left = deadline - performance.now()
    let keeper: KeeperClient | null = null
    try {
      keeper = await KeeperClient.connect(state.keeperSocket, Math.max(left, 1))
      await keeper.ask({ ask: 'kill', kill_id, ...rest }, Math.max(deadline - performance.now(), 1))
      return keeper
    } catch (error) {
      keeper?.close()
      const code = error instanceof MarkError ? error.code : null
      if (code === 'MARK_NO_SUCH_MODULE') throw error
      // A successor may be on its way: within the second it is waited for, never longer.
      if (code !== 'MARK_NOT_RUNNING' || left <= 0 || lockHolder(state.keeperLock) === null) return null
      await delay(20)
    }
  }
}

interface Accepted {
  readonly keeper: KeeperClient
  readonly plan: Plan | null
  readonly order: Kill
  /** Modules in scope that lived just before. */
  readonly ran: readonly string[]
  readonly timeoutMs: number
}

/** Follows the keeper until nothing in scope lives; null when it was lost or is too slow. */
async function watchKill(context: CliContext, given: Accepted): Promise<number | null> {
  const { keeper, plan, order, ran } = given
  let follow: Follow
  try {
    follow = await Follow.start(keeper)
  } catch {
    return null
  }
  context.out(`${latchedLine(order)}; nothing in scope starts until it is released.`)
  const live = (): string[] =>
    [...follow.views.values()]
      .filter(view => view.pid !== null && covers(order.scope, view.name, plan))
      .map(view => view.name)
  let note: string
  if (order.level === 'pause') {
    const hearing = await hearingOf(context.stateDir().daemonSocket, ran)
    context.out(toldLine(hearing))
    note = pauseNote(hearing)
  } else {
    context.out(ran.length > 0 ? `stopping: ${ran.join(', ')}.` : 'stopping: nothing in scope ran.')
    const how = await follow.until(() => live().length === 0, given.timeoutMs)
    if (how !== 'met') return null
    note = await settledNote(follow, order)
  }
  context.out(`${note}; \`mark kill release ${order.id} --reason ...\` ends it.`)
  return note.startsWith('KILL INCOMPLETE') ? 1 : 0
}

/** How long the keeper's verdict is waited for once nothing lives. */
const VERDICT_MS = 2_000

async function settledNote(follow: Follow, order: Kill): Promise<string> {
  const entry = () => follow.head.kills.find(kill => kill.id === order.id)
  let note: string | null = null
  follow.onEvent(event => {
    if (event.kind === 'kill_complete' && event.data.id === order.id && typeof event.data.note === 'string')
      note = event.data.note
  })
  await follow.refresh().catch(() => {})
  await follow.until(() => entry()?.complete === true || note !== null, VERDICT_MS)
  if (entry()?.complete === true) return 'complete: stopped and verified'
  return note ?? 'stopped, orders unverified'
}

/** Owner of the state directory, root, or group `mark`. */
function proveEntitled(context: CliContext, state: StateDir): void {
  const owner = statSync(state.dir).uid
  if (context.uid === 0 || context.uid === owner) return
  const group = markGroup()
  if (group !== null && context.gids.includes(group)) return
  throw new MarkError(
    'MARK_DENIED',
    'You may not stop this fleet: that is for its owner, root and the group `mark`.',
    'use sudo, or the account that runs the fleet.',
  )
}

function markGroup(): number | null {
  try {
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find(entry => entry.startsWith('mark:'))
    return line ? Number(line.split(':')[2]) : null
  } catch {
    return null
  }
}

function drill(
  context: CliContext,
  state: StateDir,
  plan: Plan | null,
  scopes: readonly string[],
  options: KillOptions,
): number {
  const runs = liveRuns(state)
  for (const scope of scopes) {
    const hit = runs.filter(run => covers(scope, run.module, plan))
    context.out(
      `drill: would latch ${options.level} of ${visible(scope)} in ${state.latchDir}; nothing was changed.`,
    )
    const stops = options.level === 'pause' ? 'would be told to pause' : 'would be stopped'
    const list = hit.map(
      run => `${run.module} (pid ${run.pid}, ${run.stop.signal}, SIGKILL after ${run.stop.grace_ms / 1000}s)`,
    )
    context.out(`drill: ${stops}: ${list.join(', ') || 'nothing, nothing in scope runs'}.`)
    const bare = (plan?.modules ?? []).filter(
      spec =>
        covers(scope, spec.name, plan) &&
        (spec.stop.verify === null || (options.level === 'flatten' && spec.stop.before === null)),
    )
    const verdict =
      bare.length > 0
        ? `orders would stay unverified for ${bare.map(spec => spec.name).join(', ')}`
        : 'every module in scope has its hooks'
    const away = lockHolder(state.keeperLock) === null
    context.out(`drill: ${verdict}; ${away ? 'no keeper is there: this command' : 'the keeper'} would do it.`)
  }
  return 0
}
