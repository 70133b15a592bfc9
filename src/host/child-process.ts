/**
 * Starting programs that the keeper owns: a module's run with its output on its own log file, and hooks that
 * are run to their end. Each gets its own session; no shell is involved.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, existsSync, constants as fsConstants, statSync } from 'node:fs'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { type Exit, UNKNOWN_EXIT } from '../core/exit.ts'
import { readStat } from './proc.ts'
import { errnoOf, isShortage } from './shortage.ts'

export interface ProgramSpec {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export type Spawned =
  | { readonly ok: true; readonly pid: number; readonly startTime: number | null }
  | { readonly ok: false; readonly why: string; readonly transient: boolean }

/** `onExit` is called once, and never when the start was refused. stdout and stderr go to `logFd`. */
export function spawnRun(program: ProgramSpec, logFd: number, onExit: (exit: Exit) => void): Spawned {
  const child = attempt(program, ['ignore', logFd, logFd])
  if (child instanceof Error)
    return { ok: false, why: describe(program, child), transient: isShortage(child) }
  if (child.pid === undefined) return diagnose(program)
  child.once('exit', (code, signal) => onExit(exitOf(code, signal)))
  return { ok: true, pid: child.pid, startTime: readStat(child.pid)?.startTime ?? null }
}

/** Runs a hook to its end, at most `timeoutMs`; `reason` carries the last line it printed. Never throws. */
export function runHook(
  program: ProgramSpec,
  timeoutMs: number,
  onDone: (ok: boolean, reason: string) => void,
): { readonly pid: number | null } {
  const child = attempt(program, ['ignore', 'pipe', 'pipe'])
  if (child instanceof Error || child.pid === undefined) {
    onDone(false, child instanceof Error ? describe(program, child) : 'could not be started')
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

function attempt(program: ProgramSpec, stdio: ('ignore' | 'pipe' | number)[]): ChildProcess | Error {
  const [file, ...args] = program.argv
  if (file === undefined) return new Error('there is no command')
  try {
    const child = spawn(file, args, { cwd: program.cwd, env: { ...program.env }, detached: true, stdio })
    child.on('error', () => {})
    return child
  } catch (error) {
    return error as Error
  }
}

/** Node tells why a start failed only in a later turn: what is wrong with the files is seen at once, here. */
function diagnose(program: ProgramSpec): Spawned {
  const file = program.argv[0] as string
  if (!isDirectory(program.cwd))
    return { ok: false, why: `its working directory ${program.cwd} is missing`, transient: false }
  const places = file.includes('/')
    ? [resolve(program.cwd, file)]
    : pathEntries(program).map(dir => join(dir, file))
  const found = places.find(place => existsSync(place))
  if (found === undefined) return { ok: false, why: `${file} was not found`, transient: false }
  if (!places.some(isExecutable)) return { ok: false, why: `${found} may not be executed`, transient: false }
  return {
    ok: false,
    why: `${file} could not be started: the host is short of processes or descriptors`,
    transient: true,
  }
}

function pathEntries(program: ProgramSpec): string[] {
  return (program.env.PATH ?? '/usr/local/bin:/usr/bin:/bin').split(':').filter(dir => dir !== '')
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, fsConstants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function describe(program: ProgramSpec, error: Error): string {
  const code = errnoOf(error)
  if (code === 'ENOENT') return `${program.argv[0]} was not found, or the directory ${program.cwd} is missing`
  if (code === 'EACCES') return `${program.argv[0]} may not be executed`
  return code === null ? error.message : `${program.argv[0]}: ${code}`
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): Exit {
  if (code === null && signal === null) return UNKNOWN_EXIT
  return { known: true, code, signal, core: null, oom: null, evidence: 'wait' }
}
