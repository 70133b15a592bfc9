/**
 * Starting a run: a durable record first, then the spawn, then the record with its pid. A keeper that dies in
 * between leaves a record by which its successor finds the process.
 */
import { nextName } from '../core/child-name.ts'
import type { Child, ChildEvent, Run } from '../core/child.ts'
import type { RunRecord } from '../core/keeper-state.ts'
import type { ModuleSpec, Plan } from '../core/plan.ts'
import type { EventKind } from '../core/view.ts'
import type { World } from '../core/world.ts'

/** What of the engine a start needs. */
export interface Starter {
  readonly world: World
  readonly plan: Plan | null
  readonly session: { readonly id: string }
  readonly slots: Map<string, string>
  childOfRun(runId: string): string | null
  note(
    kind: EventKind,
    module: string | null,
    runId: string | null,
    data: Readonly<Record<string, unknown>>,
  ): void
}

/** What became of it, as an event of the child; null without a plan. */
export function startRun(
  engine: Starter,
  name: string,
  child: Child,
  why: Run['startReason'],
): ChildEvent | null {
  const { plan, world } = engine
  if (!plan) return null
  const { spec } = child
  const role = name === spec.name ? 'active' : 'spare'
  const id = world.mintId()
  const slot = freeSlot(engine, spec.name)
  engine.slots.set(slot, id)
  const run: Run = {
    id,
    pid: null,
    startTime: null,
    started: world.now(),
    ready: null,
    startReason: why,
    // A limit that the module sets itself would overwrite the tag.
    tag: 'msgqueue' in spec.ulimits ? null : world.processes.mintTag(),
    exit: null,
  }
  saveRun(engine, run, spec, role)
  const answer = world.processes.spawn({
    plan,
    spec,
    slot,
    runId: id,
    why,
    tag: run.tag ?? null,
    variables: variables(engine, child, id, why),
  })
  if (!answer.ok) {
    world.store.removeRun(id)
    engine.slots.delete(slot)
    return { kind: 'refused', why: answer.why, transient: answer.transient }
  }
  const live: Run = { ...run, pid: answer.pid, startTime: answer.startTime }
  saveRun(engine, live, spec, role)
  const data = {
    pid: answer.pid,
    start_reason: why,
    attempt: child.memory.attempt,
    log_offset: answer.logOffset,
  }
  engine.note('started', spec.name, id, data)
  return { kind: 'spawned', run: live }
}

export function saveRun(engine: Starter, run: Run, spec: ModuleSpec, role: RunRecord['role']): void {
  const slot = [...engine.slots].find(([, id]) => id === run.id)?.[0] ?? spec.name
  engine.world.store.saveRun({
    version: 1,
    run_id: run.id,
    module: spec.name,
    role,
    slot,
    pid: run.pid,
    start_time: run.startTime,
    boot_id: engine.world.bootId,
    tag: run.tag ?? null,
    started: run.started,
    start_reason: run.startReason,
    stop: { signal: spec.stop.signal, grace_ms: spec.stop.graceMs },
  })
}

/** A run of a reload listens beside the one that it will replace. */
function freeSlot(engine: Starter, module: string): string {
  const owner = engine.slots.get(module)
  return owner !== undefined && engine.childOfRun(owner) !== null ? nextName(module) : module
}

function variables(
  engine: Starter,
  child: Child,
  runId: string,
  why: Run['startReason'],
): Record<string, string> {
  const last = child.lastExit
  const previous = last === null ? '' : last.known ? String(last.signal ?? last.code) : 'unknown'
  return {
    MARK_RUN_ID: runId,
    MARK_SESSION_ID: engine.session.id,
    MARK_START_REASON: why,
    MARK_PREVIOUS_RUN_ID: last?.run_id ?? '',
    MARK_PREVIOUS_EXIT: previous,
    MARK_ATTEMPT: String(child.memory.attempt),
    MARK_TRADING: '1',
  }
}
