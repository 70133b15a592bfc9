/**
 * Starting a run: the intent first, durable in its child's memory, then the spawn, then the run's own record.
 * A keeper that dies in between leaves an intent by which its successor finds the process.
 */
import { attemptOf, nextName } from '../core/child-name.ts'
import type { Child, ChildEvent, Run } from '../core/child.ts'
import { recordOf, roleOf, type RunRecord } from '../core/keeper-state.ts'
import type { ModuleSpec, Plan } from '../core/plan.ts'
import type { EventKind } from '../core/view.ts'
import { runVariables } from '../core/run-variables.ts'
import type { World } from '../core/world.ts'

/** What of the engine a start needs. */
export interface Starter {
  readonly world: World
  readonly plan: Plan | null
  readonly session: { readonly id: string }
  readonly slots: Map<string, string>
  childOfRun(runId: string): string | null
  tellExits(next: { readonly module: string; readonly logOffset: number }): void
  note(
    kind: EventKind,
    module: string | null,
    runId: string | null,
    data: Readonly<Record<string, unknown>>,
  ): void
}

/** The child with the run that is to be; as it is without a plan. */
export function intend(engine: Starter, name: string, child: Child): Child {
  if (!engine.plan) return child
  const { spec } = child
  const attempt = attemptOf(name)
  const id = attempt ?? engine.world.mintId()
  const slot = attempt === null ? freeSlot(engine, spec.name) : name
  engine.slots.set(slot, id)
  const run: Run = {
    id,
    pid: null,
    startTime: null,
    started: engine.world.now(),
    ready: null,
    startReason: child.nextWhy,
    slot,
    // A limit that the module sets itself would overwrite the tag.
    tag: 'msgqueue' in spec.ulimits ? null : engine.world.processes.mintTag(),
    exit: null,
  }
  return { ...child, run }
}

/** What became of it, as an event of the child; null where nothing was intended. */
export function startRun(engine: Starter, name: string, child: Child): ChildEvent | null {
  const { plan, world } = engine
  const { spec, run } = child
  if (!plan || !run) return null
  const why = run.startReason
  const slot = run.slot ?? name
  const answer = world.processes.spawn({
    plan,
    spec,
    slot,
    runId: run.id,
    why,
    tag: run.tag ?? null,
    variables: runVariables(child, run, engine.session.id),
  })
  if (!answer.ok) {
    engine.slots.delete(slot)
    return { kind: 'refused', why: answer.why, transient: answer.transient }
  }
  engine.tellExits({ module: spec.name, logOffset: answer.logOffset })
  const live: Run = { ...run, pid: answer.pid, startTime: answer.startTime }
  saveRun(engine, live, spec, roleOf(name))
  const data = {
    pid: answer.pid,
    start_reason: why,
    attempt: child.memory.attempt,
    log_offset: answer.logOffset,
  }
  engine.note('started', spec.name, run.id, data)
  return { kind: 'spawned', run: live }
}

export function saveRun({ world }: Starter, run: Run, spec: ModuleSpec, role: RunRecord['role']): void {
  const { name: module, stop } = spec
  world.store.saveRun(recordOf(run, { module, role, bootId: world.bootId, stop }))
}

/** A run of a reload listens beside the one that it will replace. */
function freeSlot(engine: Starter, module: string): string {
  const owner = engine.slots.get(module)
  return owner !== undefined && engine.childOfRun(owner) !== null ? nextName(module) : module
}
