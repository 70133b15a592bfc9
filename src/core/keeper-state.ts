/**
 * What the keeper remembers between its lives: children.json and runs/<run_id>.json, and how memory of an
 * earlier boot is carried into this one.
 */
import { attemptOf, DAEMON, moduleName } from './child-name.ts'
import { type Child, newChild, type Run, type StartReason } from './child.ts'
import { type LastExit, UNKNOWN_EXIT } from './exit.ts'
import { JobBook } from './jobs/job-book.ts'
import { type ModuleSpec, type Plan, startedSpecs } from './plan.ts'
import { formatUtc, type Instant } from './time.ts'

/** A child without its spec: that comes from the plan, or from `extras` for a module no longer in it. */
export type ChildMemory = Omit<Child, 'spec' | 'watchdogDueMs'>

export interface ChildrenDocument {
  readonly version: 1
  /** A session is open: MARK should be running. False after `down`. */
  readonly open: boolean
  /** `down` was asked and is under way: a successor goes on with it. */
  readonly closing: boolean
  readonly session_id: string
  readonly boot_id: string
  readonly saved: Instant
  readonly keeper: { readonly pid: number; readonly started_at: string; readonly version: string }
  /** Ids of the kills that stood when this was written: the journal tells of them already. */
  readonly kills?: readonly string[]
  readonly children: Readonly<Record<string, ChildMemory>>
  /** What is remembered of jobs, see JobBook. It stands among the children on disk. */
  readonly jobs?: Readonly<Record<string, unknown>>
  /** Specs of children that the plan no longer names, until they are gone. */
  readonly extras: readonly ModuleSpec[]
}

/** One live run: enough to prove that a process is ours, and to end it without the plan. */
export interface RunRecord {
  readonly version: 1
  readonly run_id: string
  readonly module: string
  readonly role: 'active' | 'spare' | 'old' | 'job'
  /** Name of its NOTIFY_SOCKET directory: the module's, or `x~next` when that one was taken at its start. */
  readonly slot: string
  /** null: it was about to be started; the run_id in its environment finds it. */
  readonly pid: number | null
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly start_time: number | null
  readonly boot_id: string
  /** What all processes of this run carry (soft RLIMIT_MSGQUEUE); null: none. */
  readonly tag: number | null
  readonly started: Instant
  readonly start_reason: StartReason
  readonly stop: { readonly signal: string; readonly grace_ms: number }
}

/** As it is read: what is kept of jobs stands among the children on disk. */
export function withJobsApart(document: ChildrenDocument): ChildrenDocument {
  const entries = Object.entries(document.children)
  const isOfJobs = ([name]: readonly [string, unknown]): boolean => JobBook.isEntry(name)
  if (!entries.some(isOfJobs)) return document
  const children = Object.fromEntries(entries.filter(entry => !isOfJobs(entry)))
  return { ...document, children, jobs: Object.fromEntries(entries.filter(isOfJobs)) }
}

const PLAIN_STOP = { signal: 'SIGTERM', graceMs: 10_000 }

export function remember(child: Child): ChildMemory {
  const { spec: _spec, watchdogDueMs: _due, ...memory } = child
  return child.phase === 'ready' ? { ...memory, wakeAtMs: null } : memory
}

/** The records that the live runs among the children should have, those about to be started included. */
export function recordsOf(document: ChildrenDocument | null, plan: Plan | null): RunRecord[] {
  if (document === null) return []
  const known = [...(plan ? startedSpecs(plan) : []), ...document.extras]
  const specs = new Map(known.map(spec => [spec.name, spec]))
  return Object.entries(document.children).flatMap(([name, { run }]) => {
    const spec = specs.get(moduleName(name))
    if (!run || run.exit || (spec === undefined && name !== DAEMON)) return []
    const of = {
      module: moduleName(name),
      role: roleOf(name),
      bootId: document.boot_id,
      stop: spec?.stop ?? PLAIN_STOP,
    }
    return [recordOf({ slot: name, ...run }, of)]
  })
}

export function roleOf(child: string): RunRecord['role'] {
  if (attemptOf(child) !== null) return 'job'
  return child === moduleName(child) ? 'active' : 'spare'
}

export function recordOf(
  run: Run,
  of: {
    readonly module: string
    readonly role: RunRecord['role']
    readonly bootId: string
    readonly stop: { readonly signal: string; readonly graceMs: number }
  },
): RunRecord {
  return {
    version: 1,
    run_id: run.id,
    module: of.module,
    role: of.role,
    slot: run.slot ?? of.module,
    pid: run.pid,
    start_time: run.startTime,
    boot_id: of.bootId,
    tag: run.tag ?? null,
    started: run.started,
    start_reason: run.startReason,
    stop: { signal: of.stop.signal, grace_ms: of.stop.graceMs },
  }
}

/** Of no module was it ever said whether it should run: installed, perhaps booted, and never up. */
export function neverUp(children: Readonly<Record<string, Pick<Child, 'desired'>>>): boolean {
  return Object.entries(children).every(([name, child]) => name === DAEMON || child.desired === null)
}

export function restore(spec: ModuleSpec, memory: ChildMemory | undefined): Child {
  if (!memory) return newChild(spec)
  return { ...newChild(spec), ...memory, spec, watchdogDueMs: null }
}

/**
 * A child after a reboot: no process, restart times moved to this boot's clock by their age, holds and
 * outcomes kept. `saved` is when the memory was written, on the old boot's clock.
 */
export function afterReboot(child: Child, saved: Instant, now: Instant): Child {
  const elapsedMs = Math.max(0, now.wallMs - saved.wallMs)
  const moved = (oldMono: number): number => now.monoMs - elapsedMs - (saved.monoMs - oldMono)
  const memory = { ...child.memory, restartsAt: child.memory.restartsAt.map(moved) }
  const hold = child.stopping?.then.kind === 'hold' ? child.stopping.then.hold : child.hold
  const lost = child.run !== null && child.spec.kind === 'task' && child.stopping === null
  const rests = child.phase === 'held' || child.phase === 'done'
  const phase = hold ? 'held' : lost ? 'done' : rests ? child.phase : 'stopped'
  return {
    ...child,
    phase,
    hold,
    memory,
    run: null,
    stopping: null,
    lastExit: child.run ? endOfBoot(child.run, now) : child.lastExit,
    nextStart: null,
    recovering: false,
    health: 'unknown',
    wakeAtMs: null,
    outcome: phase !== 'done' ? null : lost ? 'failed' : child.outcome,
    reason:
      rests || hold ? child.reason : lost ? 'lost: the host restarted while it ran' : 'the host restarted',
  }
}

/** A run that the host took with it: how it ended nobody knows. */
function endOfBoot(run: Run, now: Instant): LastExit {
  const { known, code, signal, core, oom } = run.exit ?? UNKNOWN_EXIT
  const at = formatUtc(now.wallMs)
  return {
    known,
    code,
    signal,
    core,
    oom,
    reason: 'the host restarted',
    at,
    uptime_s: null,
    run_id: run.id,
    fingerprint: null,
  }
}

/**
 * Remembered as starting without a run: the keeper died before the spawn, so it is simply still to be
 * started.
 */
export function unspawned(child: Child): Child {
  return child.phase === 'starting' && child.run === null
    ? { ...child, phase: 'waiting', wakeAtMs: null }
    : child
}

export function runOf(record: RunRecord, known: Run | null): Run {
  return {
    id: record.run_id,
    pid: record.pid ?? known?.pid ?? null,
    startTime: record.start_time ?? known?.startTime ?? null,
    started: record.started,
    ready: known?.ready ?? null,
    startReason: record.start_reason,
    slot: record.slot,
    tag: record.tag ?? null,
    exit: null,
  }
}

/** A child that was remembered without this run (the record is newer) is starting it. */
export function attach(child: Child, run: Run): Child {
  const live = child.phase === 'starting' || child.phase === 'ready' || child.phase === 'stopping'
  return { ...child, run, phase: live ? child.phase : 'starting', outcome: null, nextStart: null }
}

export interface Session {
  readonly id: string
  readonly open: boolean
  readonly closing: boolean
}

/** Of the keeper that begins: the one before goes on unless it was ended, or the host was. */
export function sessionOf(
  memory: ChildrenDocument | null,
  booting: boolean,
  rebooted: boolean,
  mintId: () => string,
): Session {
  if (!memory || booting || rebooted || !memory.open) {
    return { id: mintId(), open: booting || (memory?.open ?? false), closing: false }
  }
  return { id: memory.session_id, open: true, closing: memory.closing }
}
