/**
 * How a keeper's life begins: it reads what it remembers, proves which runs still live, takes them over, and
 * only then lets anything start. Nothing is started twice; nothing foreign is touched; no exit is invented.
 */
import { enforceKills } from './kills.ts'
import { attemptName, DAEMON, moduleName, nextName } from '../core/child-name.ts'
import { type Child, isLive, newChild, type Run } from '../core/child.ts'
import { type Exit, UNKNOWN_EXIT } from '../core/exit.ts'
import {
  afterReboot,
  attach,
  type ChildrenDocument,
  neverUp,
  restore,
  roleOf,
  runOf,
  sessionOf,
  type RunRecord,
  unspawned,
} from '../core/keeper-state.ts'
import { type ModuleSpec, startedSpecs } from '../core/plan.ts'
import { Engine } from './engine.ts'
import { loseAttempts } from './jobs.ts'
import { saveRun } from './start-run.ts'
import type { Watcher, World } from '../core/world.ts'

/** How long a live daemon is given to say what it saw die while no keeper was there. */
const EVIDENCE_WAIT_MS = 1000
/** How long a recorded spawn may take to show itself by its environment. */
const SPAWN_WAIT_MS = 1000
const LOOK_AGAIN_MS = 20

export interface StartOptions {
  readonly daemon: ModuleSpec
  /** Started by the host's boot, or by systemd: a session that was taken down opens again. */
  readonly boot: boolean
}

interface Inheritance {
  readonly doubtful: Map<string, Run>
  /** Runs found alive. */
  readonly adopted: number
}

export interface Beginning {
  readonly engine: Engine
  /** Dead runs whose exit only the daemon may know; settled by its `hello` or by time. */
  readonly doubtful: Map<string, Run>
  readonly deadlineMs: number
}

export function begin(world: World, watcher: Watcher, { daemon, boot }: StartOptions): Beginning {
  const memory = world.store.loadChildren()
  const plan = world.store.loadPlan()
  const booting = boot && plan !== null && !memory?.open
  const rebooted = memory !== null && memory.boot_id !== world.bootId
  const engine = new Engine(
    world,
    watcher,
    sessionOf(memory, booting, rebooted, () => world.mintId()),
  )
  engine.paused = true
  engine.plan = plan
  for (const id of memory?.kills ?? []) engine.notedKills.add(id)
  engine.readLatches()
  restoreChildren(engine, memory, rebooted, daemon)
  engine.jobs.restore(memory?.jobs ?? {})
  const records = world.store.loadRuns()
  const { doubtful, adopted } = rebooted ? buryAll(engine, records) : adoptAll(engine, records)
  engine.note('keeper_started', null, null, {
    pid: world.pid,
    version: world.version,
    adopted,
    boot: rebooted || memory === null,
  })
  loseAttempts(engine)
  const now = world.now()
  enforceKills(engine)
  engine.paused = false
  if (engine.session.open) resume(engine, rebooted || booting)
  else engine.turn()
  return { engine, doubtful, deadlineMs: now.monoMs + EVIDENCE_WAIT_MS }
}

function restoreChildren(
  engine: Engine,
  memory: ChildrenDocument | null,
  rebooted: boolean,
  daemonSpec: ModuleSpec,
): void {
  const declared = [...(engine.plan?.modules ?? []), ...(memory?.extras ?? []), daemonSpec]
  const specs = [...(engine.plan ? startedSpecs(engine.plan) : []), ...declared]
  const byName = new Map(specs.map(spec => [spec.name, spec]))
  const now = engine.world.now()
  const names = new Set([...declared.map(spec => spec.name), ...Object.keys(memory?.children ?? {})])
  for (const name of names) {
    const spec = byName.get(name) ?? byName.get(moduleName(name))
    if (!spec) continue
    const child = restore(spec, memory?.children[name])
    const here = rebooted && memory ? afterReboot(child, memory.saved, now) : child
    if (rebooted && name !== spec.name) continue
    engine.put(name, unspawned(here))
  }
}

/** After a reboot no process of ours lives: each recorded run ended with the host, its exit unknown. */
function buryAll(engine: Engine, records: readonly RunRecord[]): Inheritance {
  for (const record of records) {
    if (!engine.world.store.journaledExit(record.run_id)) {
      const data = {
        ...UNKNOWN_EXIT,
        pid: record.pid,
        asked: false,
        uptime_s: null,
        reason: 'the host restarted',
        log_offset: null,
      }
      engine.note('exited', record.module, record.run_id, data)
    }
    engine.world.store.removeRun(record.run_id)
  }
  return { doubtful: new Map(), adopted: 0 }
}

/**
 * Every run is attached to its child before anything may happen: an unattached one could be started twice.
 */
function adoptAll(engine: Engine, records: readonly RunRecord[]): Inheritance {
  const doubtful = new Map<string, Run>()
  const taken: [string, Run][] = []
  for (const record of records) {
    const name = owner(engine, record)
    const child = engine.children.get(name) ?? newChild(strangerSpec(engine, record))
    const known = child.run?.id === record.run_id ? child.run : null
    if (!known && child.lastExit !== null && record.run_id <= child.lastExit.run_id) {
      bury(engine, child, record)
      continue
    }
    const run: Run = known?.exit ? known : runOf(record, known)
    engine.slots.set(record.slot, run.id)
    engine.put(name, attach(child, run))
    taken.push([name, run])
  }
  const adopted = taken.filter(([name, run]) => takeOver(engine, name, run, doubtful)).length
  const recorded = new Set(records.map(record => record.run_id))
  for (const [name, child] of [...engine.children]) {
    if (child.run && !recorded.has(child.run.id)) endOf(engine, name, child.run, null, doubtful)
  }
  return { doubtful, adopted }
}

/** Its child has drawn its conclusion: the record was still to go, and perhaps the journal to be told. */
function bury(engine: Engine, { lastExit, run }: Child, record: RunRecord): void {
  const { store } = engine.world
  if (lastExit?.run_id === record.run_id && store.journaledExit(record.run_id) === null) {
    const { at: _at, fingerprint: _none, run_id: _id, ...exit } = lastExit
    const asked = run !== null && run.startReason !== 'crash'
    const data = { ...exit, evidence: 'wait', pid: record.pid, asked, log_offset: null }
    engine.note('exited', record.module, record.run_id, data)
  }
  store.removeRun(record.run_id)
}

function owner(engine: Engine, record: RunRecord): string {
  const known = engine.childOfRun(record.run_id)
  if (known !== null) return known
  if (record.role === 'job') return attemptName(record.module, record.run_id)
  return record.role === 'active' ? record.module : nextName(record.module)
}

function strangerSpec(engine: Engine, record: RunRecord): ModuleSpec {
  const model = engine.children.get(record.module)?.spec ?? (engine.children.get(DAEMON) as Child).spec
  return {
    ...model,
    name: record.module,
    dependsOn: [],
    stop: { ...model.stop, signal: record.stop.signal, graceMs: record.stop.grace_ms },
  }
}

/** True: it lives and is ours again. */
function takeOver(engine: Engine, name: string, run: Run, doubtful: Map<string, Run>): boolean {
  if (run.exit) endOf(engine, name, run, run.exit, doubtful)
  else if (run.pid === null) look(engine, name, run, engine.world.now().monoMs + SPAWN_WAIT_MS)
  else {
    const found = engine.world.processes.adopt(run, specOf(engine, name))
    if (found.alive) adopted(engine, name, run)
    else endOf(engine, name, run, found.exit, doubtful)
    return found.alive
  }
  return false
}

/** Whose log its lines are in; the daemon's own is not followed. */
function specOf(engine: Engine, name: string): ModuleSpec | undefined {
  return name === DAEMON ? undefined : engine.children.get(name)?.spec
}

function adopted(engine: Engine, name: string, run: Run): void {
  const child = engine.children.get(name)
  if (!child) return
  engine.note('adopted', child.spec.name, run.id, { pid: run.pid })
  if (child.phase === 'starting') engine.put(name, { ...child, run: { ...run, adopted: true } })
  const slot = [...engine.slots].find(([, id]) => id === run.id)?.[0]
  if (slot !== undefined) engine.world.notifySocket(slot, child.spec)
  if (child.phase === 'starting' && child.wakeAtMs === null)
    engine.feed(name, { kind: 'spawned', run: { ...run, adopted: true } })
  if (child.phase === 'stopping' && child.stopping?.stage === 'signal' && !child.stopping.signalled) {
    engine.world.processes.signal(run, child.spec.stop.signal)
    engine.feed(name, { kind: 'signalled' })
  }
  if (
    child.phase === 'stopping' &&
    (child.stopping?.stage === 'before' || child.stopping?.stage === 'verify')
  ) {
    const hook = child.stopping.stage
    engine.feed(name, { kind: 'hooked', hook, ok: false, reason: 'the keeper was replaced meanwhile' })
  }
}

/**
 * A run of which only the intent is known: it shows itself within a second, or it is over. Whether it ran at
 * all cannot be known then, so its exit is unknown and a task is not run again.
 */
function look(engine: Engine, name: string, run: Run, deadlineMs: number): void {
  const found = engine.world.processes.find(run.id)
  if (found) {
    const live: Run = { ...run, pid: found.pid, startTime: found.startTime }
    const child = engine.children.get(name) as Child
    saveRun(engine, live, child.spec, roleOf(name))
    const state = engine.world.processes.adopt(live, specOf(engine, name))
    engine.put(name, { ...child, run: live })
    if (state.alive) adopted(engine, name, live)
    else endOf(engine, name, live, state.exit, new Map())
    return
  }
  if (engine.world.now().monoMs < deadlineMs) {
    engine.world.soon(() => look(engine, name, run, deadlineMs), LOOK_AGAIN_MS)
    return
  }
  engine.exitedRun(run.id, engine.world.store.evidence(run.id) ?? UNKNOWN_EXIT)
}

/** A run is dead. Evidence in SPEC's order; what only the daemon can know waits for its hello. */
function endOf(
  engine: Engine,
  name: string,
  run: Run,
  corpse: Exit | null,
  doubtful: Map<string, Run>,
): void {
  const journaled = engine.world.store.journaledExit(run.id)
  const exit = journaled
    ? (journaled.data as unknown as Exit)
    : (corpse ?? engine.world.store.evidence(run.id))
  const child = engine.children.get(name)
  if (!child) return
  if (run.exit) {
    engine.put(name, { ...child, run: { ...run, exit: null } })
    engine.exitedRun(run.id, run.exit)
    return
  }
  if (exit) return engine.exitedRun(run.id, exit)
  const daemon = engine.children.get(DAEMON)?.run
  const witness = name !== DAEMON && daemon?.pid && engine.world.processes.adopt(daemon).alive
  if (witness) doubtful.set(run.id, run)
  else engine.exitedRun(run.id, UNKNOWN_EXIT)
}

/** The daemon spoke, or its time is up: every doubtful exit is what it wrote down, or unknown. */
export function settleDoubts(beginning: Beginning): void {
  for (const id of beginning.doubtful.keys()) {
    beginning.doubtful.delete(id)
    beginning.engine.exitedRun(id, beginning.engine.world.store.evidence(id) ?? UNKNOWN_EXIT)
  }
}

/** An open session goes on: the daemon, and after a reboot all that should run. */
export function resume(engine: Engine, rebooted: boolean): void {
  const fresh = neverUp(Object.fromEntries(engine.children))
  const items: Parameters<Engine['feedAll']>[0][number][] = []
  for (const child of engine.modules()) {
    const rests = child.phase === 'held' || child.phase === 'done' || (child.desired !== 'up' && !fresh)
    if (rebooted && !rests)
      items.push({ name: child.spec.name, event: { kind: 'start', why: 'reboot', by: 'boot' } })
    if (child.phase === 'backoff' && child.recovering) {
      items.push({
        name: child.spec.name,
        event: { kind: 'hooked', hook: 'recover', ok: false, reason: 'the keeper was replaced meanwhile' },
      })
    }
  }
  const daemon = engine.children.get(DAEMON)
  if (daemon && !isLive(daemon))
    items.push({ name: DAEMON, event: { kind: 'start', why: 'boot', by: 'keeper' } })
  engine.feedAll(items)
}
