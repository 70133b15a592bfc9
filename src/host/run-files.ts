/**
 * What a run finds when it starts: its log, its directories and its environment. A missing env file, secret
 * or user refuses the start; a shortage refuses it for now.
 */
import { attemptOf, DAEMON } from '../core/child-name.ts'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import type { Exit } from '../core/exit.ts'
import type { ModuleSpec, Plan } from '../core/plan.ts'
import { startRefusal } from '../core/trampoline.ts'
import { moduleEnvironment } from './environment.ts'
import { linkVariables } from './link-access.ts'
import { logicalSize, type OpenedLog, openForRun, openKnown } from './log-file.ts'
import { livePath } from './log-paths.ts'
import type { Libc } from './libc.ts'
import { LOCK_FD } from './libc-spawn.ts'
import { isShortage, noRoom } from './shortage.ts'
import type { RunLogs } from './run-logs.ts'
import { type HeldLock, type LockAnswer, takeRunLock } from './run-lock.ts'
import type { StateDir } from './state-dir.ts'
import { findUser, type User, userVariables } from './users.ts'
import type { LinuxStore } from './linux-store.ts'
import type { SpawnRequest } from '../core/world.ts'

export type Prepared =
  | {
      readonly ok: true
      readonly env: Record<string, string>
      readonly logFd: number
      readonly logOffset: number
      readonly lock: HeldLock | null
    }
  | { readonly ok: false; readonly why: string; readonly transient: boolean }

export interface RunFilesGiven {
  readonly state: StateDir
  readonly store: LinuxStore
  readonly libc: Libc | null
  readonly runLogs: RunLogs
  readonly wallMs: () => number
  readonly credentialsDir: string | undefined
  readonly notifySocket: (slot: string, spec: ModuleSpec) => string | null
  readonly openDaemonLog: () => number
}

interface Declared {
  readonly plan: Plan
  readonly slot: string | null
  readonly env: Readonly<Record<string, string>>
}

export class RunFiles {
  readonly #given: RunFilesGiven
  /** Environments of which nothing but the run's own variables can change. */
  readonly #declared = new WeakMap<ModuleSpec, Declared>()

  constructor(given: RunFilesGiven) {
    this.#given = given
  }

  prepare(request: SpawnRequest): Prepared {
    const { spec, plan, slot } = request
    try {
      if (spec.name === DAEMON) return this.#daemon(request)
      this.#ownDirectory(spec)
      const made = this.environment(plan, spec, request.variables, slot)
      if (!made.ok) return made
      const taken = this.#lock(spec, request.runId)
      if (taken?.ok === false) return taken
      try {
        const { fd, logicalStart } = this.#openLog(spec, slot !== spec.name)
        this.#mark(spec, request.runId, logicalStart)
        const env = taken ? { ...made.env, ...lockVariables(taken) } : made.env
        return { ok: true, env, logFd: fd, logOffset: logicalStart, lock: taken }
      } catch (error) {
        taken?.close()
        throw error
      }
    } catch (error) {
      return refusal(error)
    }
  }

  environment(
    plan: Plan,
    spec: ModuleSpec,
    variables: Readonly<Record<string, string>>,
    slot: string | null,
  ): { ok: true; env: Record<string, string> } | { ok: false; why: string; transient: boolean } {
    const { store, credentialsDir } = this.#given
    try {
      const user = spec.user === null ? null : userOf(spec.user)
      const declared = this.#declared.get(spec)
      const known = declared?.plan === plan && declared.slot === slot
      const own = { ...linkVariables(plan, spec.name, this.#given.state), ...variables }
      if (known) return { ok: true, env: { ...declared.env, ...own } }
      const env = moduleEnvironment(plan, spec, { callerSecrets: store.secrets, credentialsDir })
      if (user) Object.assign(env, userVariables(user))
      Object.assign(env, this.#variables(plan, spec, slot))
      // What comes from a file, a program or the accounts is asked for at every start.
      const stays =
        spec.envFiles.length + spec.secrets.length === 0 && user === null && 'NOTIFY_SOCKET' in env
      if (stays) this.#declared.set(spec, { plan, slot, env })
      return { ok: true, env: { ...env, ...own } }
    } catch (error) {
      return refusal(error)
    }
  }

  started({ spec, runId }: SpawnRequest, pid: number): void {
    if (spec.name === DAEMON) return
    this.follow(spec, runId)
    const path = join(this.#given.state.pids, `${spec.name}.pid`)
    // Output for other programs only, never read back: a start does not wait for it.
    setImmediate(() => {
      try {
        writeFileSync(path, `${pid}\n`, { mode: 0o644 })
      } catch {}
    })
  }

  /** From now on the run's undated lines get their time, and its log is kept within bounds. */
  follow(spec: ModuleSpec, runId: string): void {
    if (spec.name !== DAEMON) this.#given.runLogs.follow(spec.name, runId, spec.log)
  }

  /** As `follow`, for a run that another keeper started. */
  takeOver(spec: ModuleSpec, runId: string): void {
    if (spec.name !== DAEMON) this.#given.runLogs.takeOver(spec.name, runId, spec.log)
  }

  markLogEnd(spec: ModuleSpec, runId: string, known: number | null): number | null {
    if (spec.name === DAEMON) return null
    this.#given.runLogs.unfollow(spec.name, runId)
    try {
      const offset = known ?? this.#logEnd(spec.name)
      this.#mark(spec, runId, offset)
      return offset
    } catch {
      return null
    }
  }

  #logEnd(module: string): number {
    const { state, runLogs } = this.#given
    const base = runLogs.restingBase(module)
    if (base === null) return logicalSize(state.logs, module)
    return base + statSync(livePath(state.logs, module)).size
  }

  /** Why a run ended in the trampoline, told by the last line of its log; null: it did not. */
  startRefusal(module: string | null, exit: Exit): string | null {
    if (module === null || module === DAEMON) return null
    return startRefusal(exit.code, lastLineOf(livePath(this.#given.state.logs, module)))
  }

  /** pids/<m>.pid names a live process or is not there. */
  ended(module: string): void {
    if (module === DAEMON) return
    try {
      rmSync(join(this.#given.state.pids, `${module}.pid`), { force: true, recursive: true })
    } catch {
      // A disk that refuses: it is output for others only.
    }
  }

  #lock(spec: ModuleSpec, run_id: string): LockAnswer | null {
    if (spec.lock === null) return null
    const { state, libc, wallMs } = this.#given
    return takeRunLock(spec.lock, { fleet: state.dir, module: spec.name, run_id }, { libc, wallMs: wallMs() })
  }

  #openLog(spec: ModuleSpec, inUse: boolean): OpenedLog {
    const { state, runLogs } = this.#given
    const base = runLogs.restingBase(spec.name)
    const opened = base === null ? null : openKnown(state, spec.name, base)
    return (
      opened ??
      openForRun(state, spec.name, spec.log, this.#given.wallMs(), {
        inUse,
        unmarked: true,
      })
    )
  }

  #mark(spec: ModuleSpec, runId: string, offset: number): void {
    this.#given.runLogs.mark(spec.name, { timeMs: this.#given.wallMs(), offset, runId })
  }

  #daemon({ spec, variables }: SpawnRequest): Prepared {
    const env = { ...spec.environment, ...variables }
    return { ok: true, env, logFd: this.#given.openDaemonLog(), logOffset: 0, lock: null }
  }

  /** state/<m>: the module's own, also when another user runs it. */
  #ownDirectory(spec: ModuleSpec): void {
    const dir = join(this.#given.state.state, spec.name)
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    if (spec.user === null) return
    const user = userOf(spec.user)
    chownSync(dir, user.uid, user.gid)
    chmodSync(dir, 0o700)
  }

  #variables(plan: Plan, spec: ModuleSpec, slot: string | null): Record<string, string> {
    const { state } = this.#given
    const isAttempt = slot !== null && attemptOf(slot) !== null
    const notify = slot === null || isAttempt ? null : this.#given.notifySocket(slot, spec)
    return {
      MARK_FLEET: plan.fleet,
      MARK_MODULE: spec.name,
      MARK_ROOT: plan.root,
      MARK_STATE_DIR: join(state.state, spec.name),
      MARK_LOG_DIR: state.logs,
      MARK_HALT_FILE: join(state.haltDir, spec.name),
      ...(isAttempt ? {} : { MARK_SOCKET: join(state.socketDir, 'm', spec.name, 'mark.sock') }),
      ...(notify === null ? {} : { NOTIFY_SOCKET: notify }),
      ...(spec.watchdogMs === null ? {} : { WATCHDOG_USEC: String(spec.watchdogMs * 1000) }),
    }
  }
}

function lockVariables({ fence }: HeldLock): Record<string, string> {
  return { MARK_LOCK_FD: String(LOCK_FD), MARK_FENCE: String(fence) }
}

function userOf(name: string): User {
  const user = findUser(name)
  if (!user) throw new MarkError('MARK_ENVIRONMENT', `There is no user ${name}.`)
  return user
}

/** A full disk passes too. */
function refusal(error: unknown): { ok: false; why: string; transient: boolean } {
  return { ok: false, why: (error as Error).message, transient: noRoom(error) || isShortage(error) }
}

/** Makes the directory of a slot's sockets: the module's user owns it, nobody else enters. */
export function makeSlotDir(path: string, spec: ModuleSpec): User | null {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 })
  const dir = dirname(path)
  chmodSync(dir, 0o700)
  const user = spec.user === null ? null : findUser(spec.user)
  if (user) chownSync(dir, user.uid, user.gid)
  return user
}

/** Of its last 512 bytes. */
function lastLineOf(path: string): string {
  try {
    const bytes = Buffer.alloc(512)
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const from = Math.max(0, fstatSync(fd).size - bytes.length)
      const text = bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from))
      return text.trimEnd().split('\n').at(-1) ?? ''
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}
