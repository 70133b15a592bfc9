/**
 * Applying a plan: every refusal first, then the difference, in one turn. One refusal touches nothing.
 */
import { DAEMON } from '../core/child-name.ts'
import { withDependencies } from '../core/chain.ts'
import { isLive, newChild } from '../core/child.ts'
import { MarkError } from '../core/errors.ts'
import { covers, killHold } from '../core/kill.ts'
import { type Change, difference, type Plan } from '../core/plan.ts'
import { shareEqual } from '../core/share-equal.ts'
import { whyItStays } from '../core/start-wish.ts'
import type { Engine } from './engine.ts'

export interface Application {
  readonly plan: Plan
  readonly only: readonly string[] | null
  readonly by: string
}

export interface Applied {
  readonly changes: readonly Change[]
  /** Nothing ran before this call: who ends it may end all. */
  readonly first: boolean
  /** Modules that this call wants up, dependencies included. */
  readonly targets: readonly string[]
  /** Left alone, with the reason: stopped by an operator, held, completed. */
  readonly left: readonly { readonly module: string; readonly reason: string }[]
}

type Item = { name: string; event: Parameters<Engine['feed']>[1] }

export function applyPlan(engine: Engine, { plan: given, only, by }: Application): Applied {
  const plan = shareEqual(given)
  const known = new Set(plan.modules.map(spec => spec.name))
  const missing = only?.find(name => !known.has(name))
  if (missing !== undefined)
    throw new MarkError('MARK_NO_SUCH_MODULE', `There is no module ${missing}.`, 'mark status lists them.')
  const wanted = only ? withDependencies(plan.modules, only) : plan.modules.map(spec => spec.name)
  refuseLatched(engine, plan, wanted)
  const first =
    ![...engine.children.values()].some(child => isLive(child) && known.has(child.spec.name)) &&
    !engine.session.open
  const changes = difference(engine.plan, plan)
  engine.plan = plan
  engine.session = { ...engine.session, open: true, closing: false }
  engine.world.store.savePlan(plan)
  const items: Item[] = []
  const left: { module: string; reason: string }[] = []
  const chosen = new Set(wanted)
  for (const change of changes) {
    items.push(...carryOut(engine, change, plan, by))
    if (!chosen.has(change.module)) continue
    const item = startItem(engine, change, { first, named: only !== null, by })
    if (item.kind === 'start') items.push({ name: change.module, event: item.event })
    else if (item.reason !== null) left.push({ module: change.module, reason: item.reason })
  }
  engine.note('plan_applied', null, null, { by, changes: changes.filter(change => change.change !== 'keep') })
  engine.watcher.planChanged()
  engine.feedAll(items)
  // Its own start costs more than ten modules': the first of them go first.
  engine.world.soon(() => engine.feed(DAEMON, { kind: 'start', why: 'boot', by: 'keeper' }))
  const asleep = new Set(left.filter(entry => entry.reason.startsWith('stopped')).map(entry => entry.module))
  return { changes, first, targets: wanted.filter(name => !asleep.has(name)), left }
}

function refuseLatched(engine: Engine, plan: Plan, wanted: readonly string[]): void {
  engine.readLatches()
  for (const kill of engine.kills) {
    const module = wanted.find(
      name => covers(kill.scope, name, plan) || covers(kill.scope, name, engine.plan),
    )
    if (module === undefined) continue
    const sentence = `${module} may not start: ${killHold(kill).reason}.`
    throw new MarkError('MARK_LATCHED', sentence, `mark kill release ${kill.id} --reason "..."`)
  }
}

/** Makes the child fit its spec: added, updated in place, restarted, or stopped because it is gone. */
function carryOut(engine: Engine, change: Change, plan: Plan, by: string): Item[] {
  const { module, reason } = change
  const child = engine.children.get(module)
  if (change.change === 'stop') {
    if (!child) return []
    if (!isLive(child)) engine.drop(module)
    engine.stops.set(module, { then: { kind: 'rest', stays: true }, by, why: reason })
    return []
  }
  const spec = plan.modules.find(candidate => candidate.name === module)
  if (!spec) return []
  if (!child) engine.put(module, newChild(spec))
  else if (child.spec !== spec) {
    engine.put(module, { ...child, spec })
    if (child.run) engine.world.processes.respec(spec, child.run.id)
  }
  const restarts = change.change === 'restart' && child && isLive(child)
  return restarts
    ? [{ name: module, event: { kind: 'stop', then: { kind: 'start', why: 'operator' }, by, why: reason } }]
    : []
}

type StartItem = { kind: 'start'; event: Item['event'] } | { kind: 'leave'; reason: string | null }

function startItem(
  engine: Engine,
  change: Change,
  call: { first: boolean; named: boolean; by: string },
): StartItem {
  const child = engine.children.get(change.module)
  if (!child || change.change === 'stop' || isLive(child)) return { kind: 'leave', reason: null }
  const stays = whyItStays(child, change, call)
  if (stays !== null) return { kind: 'leave', reason: stays }
  return { kind: 'start', event: { kind: 'start', why: call.first ? 'boot' : 'operator', by: call.by } }
}
