/**
 * Starting programs that the keeper owns: a module's run with its output on its own log file, and hooks that
 * are run to their end. Each gets its own session; no shell is involved.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isAbsolute } from 'node:path'
import { type Exit, UNKNOWN_EXIT } from '../core/exit.ts'
import type { Libc } from './libc.ts'
import { atFleetScore } from './oom-score.ts'
import { type ProcStat, readStat } from './proc.ts'
import { findProgram, type Program, type Refusal, whyNotStarted } from './program-path.ts'
import { errnoOf } from './shortage.ts'

export type Spawned = { readonly ok: true; readonly pid: number; readonly startTime: number | null } | Refusal

export interface OwnedPlace {
  /** Becomes stdout and stderr. */
  readonly logFd: number
  /** Of the run's lock, to be inherited; null: it has none. */
  readonly lockFd: number | null
  /** Marks it and all it ever starts. */
  readonly tag: number | null
  /** At most this; absent: the fleet's. */
  readonly oomScore?: number | undefined
}

/** By posix_spawn: the child is ours to reap. */
export function spawnOwned(
  program: Program,
  { logFd, lockFd, tag, oomScore }: OwnedPlace,
  libc: Libc,
): Spawned {
  const [file = ''] = program.argv
  // Of an absolute path the start itself tells what is wrong.
  const path = isAbsolute(file) ? file : findProgram(program)
  if (path === null) return whyNotStarted(program, null)
  const environment = Object.entries(program.env).map(([name, value]) => `${name}=${value}`)
  const { argv, cwd } = program
  const order = { path, argv, environment, cwd, logFd, lockFd, tag }
  const spawned = atFleetScore(() => libc.spawn(order), oomScore)
  if ('errno' in spawned) return whyNotStarted(program, spawned.errno)
  return { ok: true, pid: spawned.pid, startTime: glance(spawned.pid)?.startTime ?? null }
}

/**
 * By Node, where there is no libc: `onExit` is called once, and never when the start was refused.
 */
export function spawnByNode(program: Program, logFd: number, onExit: (exit: Exit) => void): Spawned {
  const child = attempt(program, ['ignore', logFd, logFd])
  if (child instanceof Error) return whyNotStarted(program, errnoOf(child))
  if (child.pid === undefined) return whyNotStarted(program, null)
  child.once('exit', (code, signal) => onExit(exitOf(code, signal)))
  return { ok: true, pid: child.pid, startTime: glance(child.pid)?.startTime ?? null }
}

/** Runs a hook to its end, at most `timeoutMs`; `reason` carries the last line it printed. Never throws. */
export function runHook(
  program: Program,
  timeoutMs: number,
  onDone: (ok: boolean, reason: string) => void,
): { readonly pid: number | null } {
  const child = attempt(program, ['ignore', 'pipe', 'pipe'])
  if (child instanceof Error || child.pid === undefined) {
    onDone(false, whyNotStarted(program, child instanceof Error ? errnoOf(child) : null).why)
    return { pid: null }
  }
  let tail = ''
  let timedOut = false
  const listen = (chunk: Buffer): void => {
    tail = (tail + chunk.toString('utf8')).slice(-4096)
  }
  child.stdout?.on('data', listen)
  child.stderr?.on('data', listen)
  const timer = setTimeout(() => {
    timedOut = true
    signalGroup(child.pid as number, 'SIGKILL')
  }, timeoutMs)
  child.once('exit', (code, signal) => {
    clearTimeout(timer)
    child.stdout?.destroy()
    child.stderr?.destroy()
    const last = tail.trim().split('\n').at(-1) ?? ''
    const how = timedOut ? `no end within ${timeoutMs / 1000} s` : signal !== null ? signal : `exit ${code}`
    onDone(code === 0, last === '' ? how : `${how}: ${last.slice(0, 200)}`)
  })
  return { pid: child.pid }
}

/** As `readStat`, of a process that is known to be, or to have been, there: null also in a shortage. */
export function glance(pid: number): ProcStat | null {
  try {
    return readStat(pid)
  } catch {
    return null
  }
}

/** A signal to the whole group of a process that is our own child and not yet reaped. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH' && errnoOf(error) !== 'EPERM') throw error
  }
}

export function signalNumber(name: string): number {
  return constants.signals[name as NodeJS.Signals] ?? constants.signals.SIGTERM
}

function attempt(program: Program, stdio: ('ignore' | 'pipe' | number)[]): ChildProcess | Error {
  const [file, ...args] = program.argv
  if (file === undefined) return new Error('there is no command')
  try {
    const options = { cwd: program.cwd, env: { ...program.env }, detached: true, stdio }
    const child = atFleetScore(() => spawn(file, args, options))
    child.on('error', () => {})
    return child
  } catch (error) {
    return error as Error
  }
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): Exit {
  if (code === null && signal === null) return UNKNOWN_EXIT
  return { known: true, code, signal, core: null, oom: null, evidence: 'wait' }
}
