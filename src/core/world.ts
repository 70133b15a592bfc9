/**
 * All that the keeper can do to the world and hear from it, as one interface. host/linux-world.ts implements
 * it on Linux; the simulation implements it in memory with a fake clock and a crash at any call.
 */
import type { Hook, Run, StartReason } from './child.ts'
import type { Exit } from './exit.ts'
import type { ChildrenDocument, RunRecord } from './keeper-state.ts'
import type { ModuleSpec, Plan } from './plan.ts'
import type { Instant } from './time.ts'
import type { FleetEvent, KillView } from './view.ts'

/** What is remembered on disk. Saving never throws: a shortage is reported through `degraded`. */
export interface Store {
  loadPlan(): Plan | null
  savePlan(plan: Plan): void
  loadChildren(): ChildrenDocument | null
  saveChildren(save: ChildrenSave): void
  loadRuns(): RunRecord[]
  saveRun(record: RunRecord): void
  removeRun(runId: string): void
  /** What the daemon saw of a run that ended while no keeper was there. */
  evidence(runId: string): Exit | null
  journal(event: Omit<FleetEvent, 'journal_id' | 'seq'>): FleetEvent
  /** From now on events may wait in memory for `settle`, which writes them at once, in order. */
  gather(): void
  settle(): void
  /** The archive holds everything up to `seq`. */
  archived(seq: number): void
  /** The `exited` event of a run, if one stands in the journal. */
  journaledExit(runId: string): FleetEvent | null
  saveSecrets(values: Readonly<Record<string, string>>): void
}

/** A ChildrenDocument in parts, as JSON texts, so that only what changed need be written. */
export interface ChildrenSave {
  /** All but `children` and `saved`. */
  readonly head: string
  /** The memory of every child, by name. */
  readonly children: ReadonlyMap<string, string>
  /** Those that differ from the save before, also when they are gone. */
  readonly changed: ReadonlySet<string>
  readonly saved: Instant
}

export interface Latches {
  /**
   * Every tripped kill; an unreadable entry shows as halt of all. The file KILL is turned into a kill first.
   */
  read(): KillView[]
  trip(kill: KillView): void
  complete(id: string, complete: boolean, note: string): void
  /** False: there is no such kill. */
  release(id: string): boolean
  /** Writes or removes halt/<module>. */
  halt(spec: ModuleSpec, level: KillView['level'] | null): void
}

export interface SpawnRequest {
  readonly plan: Plan
  readonly spec: ModuleSpec
  /** Names the run's NOTIFY_SOCKET, see RunRecord. */
  readonly slot: string
  readonly runId: string
  readonly why: StartReason
  readonly tag: number | null
  readonly variables: Readonly<Record<string, string>>
}

export type SpawnAnswer =
  | { readonly ok: true; readonly pid: number; readonly startTime: number | null; readonly logOffset: number }
  | { readonly ok: false; readonly why: string; readonly transient: boolean }

export interface Processes {
  /** A mark for the next run's processes, unlike that of any live run; null where the host has none. */
  mintTag(): number | null
  spawn(request: SpawnRequest): SpawnAnswer
  /** Of a run from an earlier keeper: watch it; `dead` with what its corpse tells, if anything. */
  adopt(
    run: Run,
    spec?: ModuleSpec,
  ): { readonly alive: true } | { readonly alive: false; readonly exit: Exit | null }
  /** The spec of a live run changed in what needs no new process. */
  respec(spec: ModuleSpec, runId: string): void
  /** A live process that carries this run id: for one of which only the intent is known. */
  find(runId: string): { readonly pid: number; readonly startTime: number } | null
  signal(run: Run, signal: string): void
  kill(run: Run): void
  /** Ends what the run left. True: nothing is left now; else `swept` comes later. */
  sweep(run: Run, kill: boolean, signal: string): boolean
  hook(request: {
    plan: Plan
    spec: ModuleSpec
    child: string
    hook: Hook
    argv: readonly string[]
    timeoutMs: number
    run: Run | null
  }): void
  /** The end of the run's log so far (logical bytes), or where it is `known` to be; marked in its index. */
  markLogEnd(spec: ModuleSpec, runId: string, known: number | null): number | null
  forget(runId: string): void
}

/** Another version of MARK that is to keep the fleet in the place of this one. */
export interface UpgradeOrder {
  /** Absolute paths: the Node it runs on, and its keeper's main file. */
  readonly node: string
  readonly main: string
  readonly version: string
  readonly by: string
}

export interface World {
  readonly store: Store
  readonly latches: Latches
  readonly processes: Processes
  readonly bootId: string
  readonly version: string
  readonly pid: number
  now(): Instant
  chance(): number
  mintId(): string
  /** The one timer: call `onWake` at or after this monotonic time; null: never. Replaces the former wish. */
  wakeAt(monoMs: number | null): void
  /** Run soon, after pending I/O, or after this long. */
  soon(task: () => void, delayMs?: number): void
  /** Opens a slot's NOTIFY_SOCKET; its path, or null where that cannot be. */
  notifySocket(slot: string, spec: ModuleSpec): string | null
  /** Shortages MARK lives with now, each a sentence. */
  degraded(): string[]
  /** Everything is down: end the process in good order. */
  leave(): void
  /**
   * Become another version in place. Throws when it cannot begin; what stands in the way later is told by an
   * event. Absent where a process cannot be replaced.
   */
  upgrade?: (order: UpgradeOrder) => void
}

/** What the world tells the keeper. */
export interface Hearing {
  exited(runId: string, exit: Exit): void
  swept(runId: string): void
  hooked(child: string, hook: Hook, ok: boolean, reason: string): void
  notified(slot: string, message: string): void
  woke(): void
  /** A full disk cost the oldest of a module's log: logical [from, to). */
  logDropped(
    module: string,
    dropped: { readonly bytes: number; readonly lines: number; readonly from: number; readonly to: number },
  ): void
  /** The file KILL appeared. */
  killFile(): void
}

/** What the outside (sockets, tests) hears of the keeper. */
export interface Watcher {
  moduleChanged(name: string): void
  fleetChanged(): void
  planChanged(): void
  happened(event: FleetEvent): void
}
