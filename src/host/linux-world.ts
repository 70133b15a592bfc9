/**
 * The World on Linux: one object per part, put together here. It has no state of its own.
 */
import { constants, openSync } from 'node:fs'
import { basename } from 'node:path'
import type { Instant } from '../core/time.ts'
import { Chances } from './chances.ts'
import { systemClock } from './clock.ts'
import { Containment } from './containment.ts'
import { Journal } from './journal.ts'
import type { Libc } from './libc.ts'
import { bootId } from './proc.ts'
import { OneTimer } from './one-timer.ts'
import type { StateDir } from './state-dir.ts'
import { ulid } from './ulid.ts'
import { LinuxLatches } from './linux-latches.ts'
import { LinuxProcesses } from './linux-processes.ts'
import { LinuxStore } from './linux-store.ts'
import { NotifySockets } from './notify-sockets.ts'
import { boundOwnLog } from './own-log.ts'
import { RunFiles } from './run-files.ts'
import { RunLogs } from './run-logs.ts'
import type { Hearing, World } from '../core/world.ts'
import type { ModuleSpec } from '../core/plan.ts'

export interface LinuxWorldGiven {
  readonly state: StateDir
  readonly libc: Libc | null
  readonly version: string
  readonly credentialsDir: string | undefined
  readonly leave: () => void
}

export class LinuxWorld implements World {
  readonly store: LinuxStore
  readonly latches: LinuxLatches
  readonly processes: LinuxProcesses
  readonly bootId = bootId()
  readonly version: string
  readonly pid = process.pid
  readonly journal: Journal
  readonly leave: () => void
  readonly #libc: Libc | null
  readonly #sockets: NotifySockets
  readonly #containment: Containment
  readonly #runLogs: RunLogs
  #hearing: Hearing | null = null
  #reaping = false
  readonly #chances = new Chances()
  readonly #timer = new OneTimer(systemClock, () => this.#hearing?.woke())

  constructor(given: LinuxWorldGiven) {
    const { state, libc } = given
    this.#libc = libc
    this.version = given.version
    this.leave = given.leave
    this.journal = Journal.open(state.journal, systemClock.now(), libc)
    this.store = new LinuxStore(state, this.journal)
    this.latches = new LinuxLatches(
      state,
      () => this.mintId(),
      () => this.now().wallMs,
    )
    this.#sockets = new NotifySockets(libc, state.socketDir, (slot, message) =>
      this.#hearing?.notified(slot, message),
    )
    this.#runLogs = new RunLogs({
      logs: state.logs,
      libc,
      monoMs: () => this.now().monoMs,
      wallMs: () => this.now().wallMs,
      retentionMs: () => this.store.logRetentionMs,
      onDropped: (module, dropped) => this.#hearing?.logDropped(module, dropped),
    })
    const files = new RunFiles({
      state,
      libc,
      runLogs: this.#runLogs,
      store: this.store,
      wallMs: () => this.now().wallMs,
      credentialsDir: given.credentialsDir,
      notifySocket: (slot, spec) => this.notifySocket(slot, spec),
      openDaemonLog: () => openDaemonLog(state),
    })
    this.#containment = new Containment(libc, basename(state.socketDir))
    this.processes = new LinuxProcesses(libc, files, this.#containment)
  }

  listen(hearing: Hearing): void {
    this.#hearing = hearing
    this.processes.listen(hearing)
    this.processes.removeLeftovers()
  }

  now(): Instant {
    return systemClock.now()
  }

  chance(): number {
    return systemClock.chance()
  }

  mintId(): string {
    return ulid(this.now().wallMs, count => this.#chances.take(count))
  }

  wakeAt(monoMs: number | null): void {
    this.#timer.at(monoMs)
  }

  soon(task: () => void, delayMs = 0): void {
    if (delayMs > 0) setTimeout(task, delayMs)
    else setImmediate(task)
  }

  notifySocket(slot: string, spec: ModuleSpec): string | null {
    try {
      return this.#sockets.open(slot, spec)
    } catch (error) {
      this.store.troubles.set('notify', `no NOTIFY_SOCKET: ${(error as Error).message}`)
      return null
    }
  }

  degraded(): string[] {
    const durable = this.journal.durable ? [] : ['state not durable: events.journal']
    const native = this.#libc ? [] : ['koffi is missing: no notify sockets, no pidfds']
    return [
      ...durable,
      ...native,
      ...this.store.troubles.values(),
      ...this.latches.troubles,
      ...this.#containment.missing,
      ...this.#runLogs.troubles(),
    ]
  }

  /** SIGCHLD: a run of ours, or an orphan that came home, may have ended. */
  childChanged(): void {
    if (this.#reaping) return
    this.#reaping = true
    setImmediate(() => {
      this.#reaping = false
      this.processes.childChanged()
    })
  }

  close(): void {
    this.#timer.at(null)
    this.#runLogs.close()
    this.#containment.close()
    this.journal.flush()
    this.journal.close()
  }
}

function openDaemonLog(state: StateDir): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
  boundOwnLog(state.daemonLog)
  return openSync(state.daemonLog, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
}
