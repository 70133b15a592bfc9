/**
 * Programs that MARK's command line starts: its keeper, in a session of its own, and short helpers such as
 * systemctl. Neither ever goes through a shell.
 */
import { execFile, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { boundOwnLog } from './own-log.ts'

export interface Launched {
  readonly pid: number | null
  /** Resolves when it ended, or could not be started (`code` null, `error` set). Never rejects. */
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: string | null
    readonly error: string | null
  }>
}

/** Starts argv detached from this terminal and session; output is appended to `logFile` (0600). */
export function launchDetached(
  argv: readonly [string, ...string[]],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>>; readonly logFile: string },
): Launched {
  const log = openLog(options.logFile)
  try {
    const [file, ...args] = argv
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...options.env },
      detached: true,
      stdio: ['ignore', log ?? 'ignore', log ?? 'ignore'],
    })
    const ended = new Promise<Awaited<Launched['ended']>>(resolve => {
      child.once('error', error => resolve({ code: null, signal: null, error: error.message }))
      child.once('exit', (code, signal) => resolve({ code, signal, error: null }))
    })
    child.unref()
    return { pid: child.pid ?? null, ended }
  } finally {
    if (log !== null) closeSync(log)
  }
}

/** null: the disk refuses it. A keeper without a log of its own is better than none. */
function openLog(path: string): number | null {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
  try {
    boundOwnLog(path)
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  } catch {
    return null
  }
}

export interface CommandResult {
  /** null: could not be started, was killed by a signal, or ran out of time. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** It ran out of time, and was killed. */
  readonly late: boolean
}

export interface CommandOptions {
  readonly timeoutMs: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs argv to its end, at most `timeoutMs`; output is capped at 1 MB. Never rejects. */
export function runCommand(argv: readonly [string, ...string[]], timeoutMs: number): Promise<CommandResult> {
  return startCommand(argv, { timeoutMs }).result
}

/** As `runCommand`, for who must know its process meanwhile. */
export function startCommand(
  argv: readonly [string, ...string[]],
  { timeoutMs, cwd, env }: CommandOptions,
): { readonly pid: number | null; readonly result: Promise<CommandResult> } {
  const [file, ...args] = argv
  let pid: number | null = null
  const result = new Promise<CommandResult>(resolve => {
    const child = execFile(file, args, { maxBuffer: 1 << 20, cwd, env }, (error, stdout, stderr) => {
      clearTimeout(timer)
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      const said = stderr || (code === null ? (error?.message ?? '') : '')
      resolve({ code, stdout, stderr: said, late: false })
    })
    pid = child.pid ?? null
    // Not execFile's own: that waits for whoever else still holds the pipes.
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve({ code: null, stdout: '', stderr: `no end within ${timeoutMs / 1000} s`, late: true })
    }, timeoutMs)
  })
  return { pid, result }
}
