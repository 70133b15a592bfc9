/**
 * Runs on Linux: own children through libuv, adopted ones through pidfds. Signals only what is proven to be
 * ours: an unreaped child, or a process whose pid and start time are those that were recorded.
 */
import { randomInt } from 'node:crypto'
import { closeSync } from 'node:fs'
import { DAEMON } from '../core/child-name.ts'
import type { Hook, Run } from '../core/child.ts'
import { type Exit, UNKNOWN_EXIT } from '../core/exit.ts'
import type { ModuleSpec, Plan } from '../core/plan.ts'
import { needsTrampoline, trampoline, trampolineLacks, type TrampolineTools } from '../core/trampoline.ts'
import {
  glance,
  runHook,
  signalGroup,
  signalNumber,
  spawnByNode,
  type Spawned,
  spawnOwned,
} from './child-process.ts'
import type { Libc } from './libc.ts'
import { DAEMON_OOM_SCORE } from './oom-score.ts'
import { alive, isDead, readStat, zombieExit } from './proc.ts'
import type { Containment } from './containment.ts'
import { Orphans } from './orphans.ts'
import { findMain } from './process-tree.ts'
import { findProgram, type Program, type Refusal, whyNotStarted } from './program-path.ts'
import { trampolineTools } from './trampoline-tools.ts'
import { findUser } from './users.ts'
import type { Prepared, RunFiles } from './run-files.ts'
import type { HeldLock } from './run-lock.ts'
import type { Hearing, Processes, SpawnAnswer, SpawnRequest } from '../core/world.ts'

/** How often a run's remains are looked for while they are being ended. */
const SWEEP_AGAIN_MS = 20
/** How long a reaped process may take to show its exit through its pidfd. */
const EXIT_WAIT_MS = 2000
/** With fewer to choose from, a tag would say too little. */
const LEAST_TAGS = 10_000

type Opened = Extract<Prepared, { ok: true }>

interface Handle {
  readonly run: Run
  readonly module: string | null
  readonly pid: number
  readonly startTime: number | null
  /** Our own child: unreaped until libuv told, so its pid cannot be anybody else's. */
  readonly own: boolean
  /** It went through the trampoline, and may have ended in it. */
  trampolined: boolean
  pidfd: number | null
  watch: { close(): void } | null
  gone: boolean
  /** Held here too until nothing of the run is left, for those that closed the descriptor they got. */
  lock: HeldLock | null
  sweeping: NodeJS.Timeout | null
  kill: boolean
}

export class LinuxProcesses implements Processes {
  readonly #libc: Libc | null
  readonly #files: RunFiles
  readonly #containment: Containment
  #tools: TrampolineTools | null = null
  readonly #handles = new Map<string, Handle>()
  readonly #hooks = new Set<number>()
  /** Pids that no sweep may touch: set by the world (successor). */
  others: () => readonly number[] = () => []
  #hearing: Hearing | null = null
  readonly #orphans: Orphans

  constructor(libc: Libc | null, files: RunFiles, containment: Containment) {
    this.#libc = libc
    this.#files = files
    this.#containment = containment
    this.#orphans = new Orphans(libc, () => this.#known())
  }

  listen(hearing: Hearing): void {
    this.#hearing = hearing
  }

  spawn(request: SpawnRequest): SpawnAnswer {
    const opened = this.#files.prepare(request)
    if (!opened.ok) return opened
    const { lock } = opened
    try {
      const { spec, runId } = request
      const bare = { argv: spec.argv, cwd: spec.workingDir, env: opened.env }
      const program = this.#wrap(spec, bare, runId)
      const spawned = 'ok' in program ? program : this.#spawn(program, opened, request)
      if (!spawned.ok) {
        lock?.close()
        this.#containment.forget(runId)
        return spawned
      }
      const { pid, startTime } = spawned
      const run = { id: runId, pid, startTime, tag: request.tag } as Run
      const handle = handleOf(run, spec.name, pid, startTime, true)
      handle.trampolined = program !== bare
      handle.lock = lock
      lock?.started(pid, startTime)
      this.#handles.set(run.id, handle)
      if (this.#libc) this.#watch(handle)
      this.#files.started(request, pid)
      return { ...spawned, logOffset: opened.logOffset }
    } finally {
      closeSync(opened.logFd)
    }
  }

  /** Through the trampoline where the spec asks for it; `runId`: with the groups of its limits. */
  #wrap(spec: ModuleSpec, program: Program, runId: string | null): Program | Refusal {
    if (!needsTrampoline(spec, runId !== null)) return program
    this.#tools ??= trampolineTools()
    const user = spec.user === null ? null : findUser(spec.user)
    const { ulimits, umask } = spec
    const lacks = trampolineLacks({ user, ulimits }, this.#tools)
    if (lacks !== null) return { ok: false, why: lacks, transient: false }
    if (findProgram(program) === null) return whyNotStarted(program, null)
    const groups =
      runId === null
        ? { ok: true as const, join: [] }
        : this.#containment.prepare(runId, spec.name, spec.limits)
    if (!groups.ok) return groups
    const argv = trampoline({
      argv: program.argv,
      user,
      umask,
      ulimits,
      join: groups.join,
      variables: Object.keys(program.env),
      tools: this.#tools,
    })
    return { ...program, argv }
  }

  #spawn(program: Program, { logFd, lock }: Opened, { runId, tag, spec }: SpawnRequest): Spawned {
    const oomScore = spec.name === DAEMON ? DAEMON_OOM_SCORE : undefined
    if (this.#libc) return spawnOwned(program, { logFd, lockFd: lock?.fd ?? null, tag, oomScore }, this.#libc)
    return spawnByNode(program, logFd, exit => this.#exited(runId, exit))
  }

  /** Unlike that of any run that is known now; null where tags cannot be given. */
  mintTag(): number | null {
    const max = this.#libc?.maxTag ?? 0
    if (max < LEAST_TAGS) return null
    const taken = new Set([...this.#handles.values()].map(handle => handle.run.tag))
    for (;;) {
      const tag = 1 + randomInt(max - 1)
      if (!taken.has(tag)) return tag
    }
  }

  adopt(
    run: Run,
    spec?: ModuleSpec,
  ): { readonly alive: true } | { readonly alive: false; readonly exit: Exit | null } {
    const { pid, startTime } = run
    const stat = pid === null ? null : readStat(pid)
    if (pid === null || !stat || (startTime !== null && stat.startTime !== startTime))
      return { alive: false, exit: null }
    // After an upgrade in place the children of the keeper before are still ours.
    const own = stat.ppid === process.pid && this.#libc !== null
    if (isDead(stat)) return { alive: false, exit: (own ? this.#reap(pid) : null) ?? zombieExit(stat) }
    if (this.#handles.has(run.id)) return { alive: true }
    const handle = handleOf(run, spec?.name ?? null, pid, startTime ?? stat.startTime, own)
    this.#handles.set(run.id, handle)
    this.#containment.adopt(run.id, pid)
    this.#watch(handle)
    if (spec !== undefined) this.#files.takeOver(spec, run.id)
    return { alive: true }
  }

  respec(spec: ModuleSpec, runId: string): void {
    this.#files.follow(spec, runId)
  }

  find(runId: string): { readonly pid: number; readonly startTime: number } | null {
    return findMain(runId)
  }

  signal(run: Run, signal: string): void {
    const handle = this.#handles.get(run.id)
    if (!handle || handle.gone) return
    if (handle.own) signalGroup(handle.pid, signal as NodeJS.Signals)
    else this.#signalAdopted(handle, signal)
  }

  kill(run: Run): void {
    this.signal(run, 'SIGKILL')
    const handle = this.#handles.get(run.id)
    if (handle) this.#containment.end(run.id, this.#remains(handle, true) ?? [], 'SIGKILL')
  }

  sweep(run: Run, kill: boolean, signal: string): boolean {
    const handle = this.#handles.get(run.id) ?? handleOf(run, null, run.pid ?? 0, run.startTime, false)
    this.#handles.set(run.id, handle)
    handle.gone = true
    handle.kill = kill
    const left = this.#remains(handle, this.#strays(handle))
    if (left?.length === 0) return true
    this.#containment.end(run.id, left ?? [], kill ? 'SIGKILL' : (signal as NodeJS.Signals))
    this.#sweepOn(handle)
    return false
  }

  hook(request: {
    plan: Plan
    spec: ModuleSpec
    child: string
    hook: Hook
    argv: readonly string[]
    timeoutMs: number
    run: Run | null
  }): void {
    const { spec, child, hook, timeoutMs } = request
    const done = (ok: boolean, reason: string): void => this.#hearing?.hooked(child, hook, ok, reason)
    const environment = this.#files.environment(request.plan, spec, {}, null)
    if (!environment.ok) return setImmediate(done, false, environment.why) as unknown as undefined
    const bare = { argv: request.argv, cwd: spec.workingDir, env: environment.env }
    const program = this.#wrap(spec, bare, null)
    if ('ok' in program) return setImmediate(done, false, program.why) as unknown as undefined
    const { pid } = runHook(program, timeoutMs, (ok, reason) => {
      if (pid !== null) this.#hooks.delete(pid)
      setImmediate(done, ok, reason)
    })
    if (pid !== null) this.#hooks.add(pid)
  }

  markLogEnd(spec: ModuleSpec, runId: string, known: number | null): number | null {
    return this.#files.markLogEnd(spec, runId, known)
  }

  forget(runId: string): void {
    const handle = this.#handles.get(runId)
    if (!handle) return
    if (handle.sweeping) clearTimeout(handle.sweeping)
    this.#unwatch(handle)
    this.#containment.forget(runId)
    handle.lock?.close()
    this.#handles.delete(runId)
    const { module } = handle
    if (module !== null) setImmediate(() => this.#hasRun(module) || this.#files.ended(module))
  }

  #hasRun(module: string): boolean {
    return [...this.#handles.values()].some(handle => handle.module === module && !handle.gone)
  }

  /** Something of ours ended: our own runs that no pidfd tells of, and orphans. libuv waits for neither. */
  childChanged(): void {
    for (const handle of [...this.#handles.values()]) {
      if (handle.own && handle.pidfd === null && !handle.gone && this.#libc) this.#ended(handle)
    }
    this.#orphans.look()
  }

  #known(): Set<number> {
    const known = new Set([...this.others(), ...this.#hooks])
    for (const handle of this.#handles.values()) if (!handle.gone) known.add(handle.pid)
    return known
  }

  /** null: no kernel, no libc or no descriptor for it. */
  #hold(pid: number): number | null {
    try {
      return this.#libc?.pidfdOpen(pid) ?? null
    } catch {
      return null
    }
  }

  #exited(runId: string, exit: Exit): void {
    const handle = this.#handles.get(runId)
    if (!handle || handle.gone) return
    handle.gone = true
    const told = this.#containment.explain(runId, exit)
    const refusal = handle.trampolined ? this.#files.startRefusal(handle.module, told) : null
    this.#hearing?.exited(runId, refusal === null ? told : { ...told, refusal })
  }

  /** Groups that an earlier keeper's runs left go, once all runs are adopted. */
  removeLeftovers(): void {
    this.#containment.removeLeftovers(runId => this.#handles.has(runId))
  }

  #watch(handle: Handle): void {
    handle.pidfd = this.#hold(handle.pid)
    if (handle.pidfd !== null && this.#libc) {
      handle.watch = this.#libc.watch(handle.pidfd, () => this.#ended(handle))
      return
    }
    // SIGCHLD tells of our own.
    if (handle.own) return
    const timer = setInterval(() => this.#stillThere(handle), 1000).unref()
    handle.watch = { close: () => clearInterval(timer) }
  }

  #stillThere(handle: Handle): void {
    if (!alive({ pid: handle.pid, startTime: handle.startTime ?? -1 })) this.#adoptedExit(handle)
  }

  #ended(handle: Handle): void {
    if (!handle.own) return this.#adoptedExit(handle)
    const exit = handle.gone ? 'alive' : (this.#libc?.reap(handle.pid) ?? UNKNOWN_EXIT)
    if (exit === 'alive') return
    this.#exited(handle.run.id, exit)
    // A restart does not wait for this.
    handle.watch?.close()
    handle.watch = null
  }

  #reap(pid: number): Exit | null {
    const exit = this.#libc?.reap(pid) ?? null
    return exit === 'alive' ? null : exit
  }

  /** The pidfd fired: the exit stands in the corpse until its parent reaps it, then in the pidfd. */
  #adoptedExit(handle: Handle, waitedMs = 0): void {
    if (handle.gone) return
    handle.watch?.close()
    handle.watch = null
    const stat = glance(handle.pid)
    const corpse = stat && stat.startTime === handle.startTime ? zombieExit(stat) : null
    const exit = corpse ?? (handle.pidfd === null ? null : (this.#libc?.pidfdExit(handle.pidfd) ?? null))
    if (exit === null && waitedMs < EXIT_WAIT_MS) {
      setTimeout(() => this.#adoptedExit(handle, waitedMs + SWEEP_AGAIN_MS), SWEEP_AGAIN_MS)
      return
    }
    this.#exited(handle.run.id, exit ?? UNKNOWN_EXIT)
  }

  #unwatch(handle: Handle): void {
    handle.watch?.close()
    handle.watch = null
    if (handle.pidfd !== null) this.#libc?.close(handle.pidfd)
    handle.pidfd = null
  }

  #signalAdopted(handle: Handle, signal: string): void {
    if (handle.pidfd !== null && this.#libc) {
      this.#libc.pidfdSignal(handle.pidfd, signalNumber(signal), true)
      return
    }
    const known = handle.startTime !== null && alive({ pid: handle.pid, startTime: handle.startTime })
    if (known) signalGroup(handle.pid, signal as NodeJS.Signals)
  }

  /** What it left behind may have become anybody's child: without libc we are no subreaper. */
  #strays(handle: Handle): boolean {
    return !handle.own || this.#libc === null
  }

  /** null: the host was too short of something to look; what was left may still be there. */
  #remains(handle: Handle, full: boolean): number[] | null {
    const known = this.#known()
    known.delete(handle.pid)
    const { run, startTime } = handle
    const identity = { pid: handle.pid || null, runId: run.id, startTime, tag: run.tag ?? null }
    const isMainGone = handle.own && handle.gone
    return this.#containment.remains(identity, { keeperPid: process.pid, known, full, isMainGone })
  }

  #sweepOn(handle: Handle): void {
    if (handle.sweeping) return
    handle.sweeping = setTimeout(() => {
      handle.sweeping = null
      const left = this.#remains(handle, this.#strays(handle))
      if (left?.length === 0) return this.#hearing?.swept(handle.run.id)
      if (handle.kill) this.#containment.end(handle.run.id, left ?? [], 'SIGKILL')
      this.#sweepOn(handle)
    }, SWEEP_AGAIN_MS)
  }
}

function handleOf(
  run: Run,
  module: string | null,
  pid: number,
  startTime: number | null,
  own: boolean,
): Handle {
  return {
    run,
    module,
    pid,
    startTime,
    own,
    trampolined: false,
    lock: null,
    pidfd: null,
    watch: null,
    gone: false,
    sweeping: null,
    kill: true,
  }
}
