/**
 * What clients ask of the keeper, verb by verb. Each answers at once, when the ask is durable and under way,
 * not when it is done; refusals are MarkErrors and touch nothing.
 */
import { moduleName, nextName } from '../core/child-name.ts'
import type { Ask } from '../contract/keeper.ts'
import { isLive, stateOf } from '../core/child.ts'
import { MarkError } from '../core/errors.ts'
import { applyPlan } from './apply.ts'
import { killHold } from '../core/kill.ts'
import type { Engine } from './engine.ts'
import { release, trip } from './kills.ts'
import { beginReload } from './reload.ts'
import { fleetView } from './fleet-view.ts'
import { keepJobs, startAttempts } from './jobs.ts'

type Verb = Exclude<Ask, { ask: 'watch' | 'hello' | 'ping' }>

export function answerAsk(engine: Engine, ask: Verb): unknown {
  switch (ask.ask) {
    case 'state':
      engine.readLatches()
      return fleetView(engine)
    case 'plan':
      return { plan: engine.plan }
    case 'apply':
      engine.world.store.saveSecrets(ask.secretValues)
      return applyPlan(engine, ask)
    case 'start':
    case 'stop':
    case 'restart':
    case 'reload':
    case 'hold':
    case 'unhold':
      return command(engine, ask)
    case 'down':
      return down(engine, ask.by)
    case 'upgrade':
      return upgrade(engine, ask)
    case 'hurry':
      return hurry(engine, ask.modules)
    case 'kill':
      return trip(engine, ask)
    case 'release':
      return release(engine, ask)
    case 'archived':
      return engine.world.store.archived(ask.seq) ?? {}
    case 'note':
      return engine.note(ask.kind, ask.module, ask.run_id, ask.data) ?? {}
    case 'probed':
      return probed(engine, ask)
    case 'jobs':
      return keepJobs(engine, ask)
    case 'job_start':
      return startAttempts(engine, ask.starts)
    case 'job_book':
      return { rows: [...engine.jobs.rows.values()], jobs: Object.fromEntries(engine.jobs.jobs) }
  }
}

function command(
  engine: Engine,
  ask: Extract<Verb, { modules: readonly string[] }>,
): { modules: readonly string[]; notes: string[] } {
  const missing = ask.modules.find(name => !engine.plan?.modules.some(spec => spec.name === name))
  if (missing !== undefined)
    throw new MarkError('MARK_NO_SUCH_MODULE', `There is no module ${missing}.`, 'mark status lists them.')
  if (ask.ask === 'start' || ask.ask === 'restart' || ask.ask === 'reload' || ask.ask === 'unhold')
    refuse(engine, ask)
  const why = ask.reason ?? `${ask.ask} asked by ${ask.by}`
  if (ask.ask === 'stop') {
    const stop = { then: { kind: 'rest', stays: true }, by: ask.by, why: `stopped by ${ask.by}` } as const
    for (const name of ask.modules) {
      engine.stops.set(name, stop)
      if (engine.children.has(nextName(name))) engine.stops.set(nextName(name), stop)
    }
    engine.turn()
    return { modules: ask.modules, notes: [] }
  }
  const notes: string[] = []
  for (const name of ask.modules) {
    const said = one(engine, name, ask.ask, ask.by, why)
    if (said !== null) notes.push(said)
  }
  return { modules: ask.modules, notes }
}

/** Starting must be proven: no latch and no hold, for any of the names, or nothing happens. */
function refuse(engine: Engine, ask: Extract<Verb, { modules: readonly string[] }>): void {
  engine.readLatches()
  for (const name of ask.modules) {
    const latch = engine.latchOf(name)
    if (latch) {
      throw new MarkError(
        'MARK_LATCHED',
        `${name} may not start: ${killHold(latch).reason}.`,
        `mark kill release ${latch.id} --reason "..."`,
      )
    }
    const child = engine.children.get(name)
    if (ask.ask !== 'unhold' && child?.phase === 'held') {
      throw new MarkError('MARK_REFUSED', `${name} is held: ${child.reason}.`, `mark unhold ${name}`)
    }
  }
}

function one(engine: Engine, name: string, verb: Verb['ask'], by: string, why: string): string | null {
  const child = engine.children.get(name)
  if (!child) return null
  const now = engine.world.now()
  switch (verb) {
    case 'start':
      engine.stops.delete(name)
      engine.feed(name, { kind: 'start', why: 'operator', by })
      return isLive(child) ? `${name} was ${stateOf(child)} already` : null
    case 'restart':
      if (!isLive(child) || child.phase === 'stopping')
        engine.feed(name, { kind: 'start', why: 'operator', by })
      else
        engine.feed(name, {
          kind: 'stop',
          then: { kind: 'start', why: 'operator' },
          by,
          why: `restarted by ${by}`,
        })
      return null
    case 'reload':
      return beginReload(engine, name, by)
    case 'hold':
      engine.feed(name, { kind: 'hold', hold: { reason: why, by, atWallMs: now.wallMs, kill: null } })
      return null
    case 'unhold':
      engine.feed(name, { kind: 'unhold', by, start: true })
      return child.phase === 'held' ? null : `${name} was not held`
    default:
      return null
  }
}

function down(engine: Engine, by: string): unknown {
  engine.session = { ...engine.session, closing: true }
  for (const name of engine.children.keys()) {
    if (!name.startsWith('@'))
      engine.stops.set(name, { then: { kind: 'rest', stays: false }, by, why: `down by ${by}` })
  }
  engine.watcher.fleetChanged()
  engine.turn()
  return {}
}

function upgrade(engine: Engine, order: Extract<Verb, { ask: 'upgrade' }>): unknown {
  if (!engine.world.upgrade)
    throw new MarkError('MARK_UNSUPPORTED', 'This keeper cannot be replaced in place.')
  engine.world.upgrade(order)
  return {}
}

/** The end of all grace: what waits for its turn to stop has it now, and gets none either. */
function hurry(engine: Engine, modules?: readonly string[]): unknown {
  if (modules) {
    engine.feedAll(modules.map(name => ({ name, event: { kind: 'hurry' } })))
    return {}
  }
  const pending = [...engine.stops].map(([name, stop]) => {
    return { name, event: { kind: 'stop' as const, ...stop } }
  })
  engine.stops.clear()
  engine.feedAll(pending)
  engine.feedAll([...engine.children.keys()].map(name => ({ name, event: { kind: 'hurry' } })))
  return {}
}

function probed(engine: Engine, ask: Extract<Verb, { ask: 'probed' }>): unknown {
  const name = engine.childOfRun(ask.run_id)
  if (name === null || moduleName(name) !== moduleName(ask.module)) return { stale: true }
  const { found, reason, move } = ask
  if (found === 'ready') engine.feed(name, { kind: 'ready', by: reason })
  else if (found === 'unready') engine.feed(name, { kind: 'unready', reason })
  else engine.feed(name, { kind: 'health', health: found, reason, move })
  return {}
}
