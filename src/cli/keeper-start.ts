/**
 * Connects to the fleet's keeper, and starts one where none lives. Any number of commands may do this at
 * once: the lock decides, exactly one keeper comes out. It never takes a socket for life: only an answer
 * counts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MarkError } from '../core/errors.ts'
import { type Launched, launchDetached } from '../host/launch.ts'
import { KeeperClient } from '../host/line-socket.ts'
import { lockHolder } from '../host/lock-holder.ts'
import { makeStateDir } from '../host/make-state-dir.ts'
import type { StateDir } from '../host/state-dir.ts'
import { leaveUpCall } from '../host/up-call.ts'
import type { CliContext } from './context.ts'
import { installedUnit, systemctl } from './installed-unit.ts'
import { visible } from './visible.ts'

const DEADLINE_MS = 10_000
const CONNECT_MS = 1_000
/** Status of `flock -n` when somebody else holds the lock. */
const LOCK_HELD = 75

/**
 * A keeper that answers, or null: nobody listens. Throws MARK_KEEPER_SILENT when one holds the lock but is
 * mute.
 */
export async function findKeeper(context: CliContext, timeoutMs = 2_000): Promise<KeeperClient | null> {
  const state = context.stateDir()
  const keeper = await attempt(state, timeoutMs)
  if (keeper !== null) return keeper
  // Its socket is not there yet, or was removed: a holder of the lock is still a keeper.
  if (lockHolder(state.keeperLock) === null) return null
  return await waitForKeeper(context, null, timeoutMs)
}

/**
 * `systemd`: an installed unit is started rather than a second keeper beside it. `hand`: for who takes the
 * fleet down, since the unit's own ExecStop would wait for itself.
 */
export type Starter = 'systemd' | 'hand'

/** A keeper that answers, started if need be. */
export async function ensureKeeper(context: CliContext, starter: Starter = 'systemd'): Promise<KeeperClient> {
  const state = context.stateDir()
  const keeper = await attempt(state, DEADLINE_MS)
  if (keeper !== null) return keeper
  makeStateDir(state)
  if (starter === 'systemd') await startInstalled(context, state)
  const found = await waitForKeeper(context, () => startKeeper(context), DEADLINE_MS)
  if (found !== null) return found
  throw silent(state, 'No keeper answered')
}

/** Where systemd cannot, a keeper is started by hand afterwards. */
async function startInstalled(context: CliContext, state: StateDir): Promise<void> {
  const unit = installedUnit(context, state.keeperLock)
  if (unit === null) return
  const takeBack = leaveUpCall(state)
  try {
    await systemctl(unit.scope, 'start', unit.name)
  } catch (error) {
    context.note(`note: ${(error as Error).message} MARK goes on without systemd.`)
  } finally {
    takeBack()
  }
}

/** How a keeper is started on this state directory: argv after the lock. */
export function keeperArgv(context: Pick<CliContext, 'node'>, stateDir: string): [string, ...string[]] {
  const source = new URL('../keeper/main.ts', import.meta.url)
  const main = existsSync(source) ? source : new URL('../keeper/main.js', import.meta.url)
  return [context.node, fileURLToPath(main), '--state-dir', stateDir]
}

function startKeeper(context: CliContext): Launched {
  const state = context.stateDir()
  const argv = [
    'flock',
    '-F',
    '-n',
    '-E',
    String(LOCK_HELD),
    state.keeperLock,
    ...keeperArgv(context, state.dir),
  ]
  return launchDetached(argv as [string, ...string[]], {
    cwd: state.dir,
    env: keeperEnvironment(context.env),
    logFile: state.keeperLog,
  })
}

const KEEPER_VARIABLES = /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|XDG_RUNTIME_DIR)$/
const BUS_AND_CACHE = /^(?:NODE_COMPILE_CACHE|DBUS_SESSION_BUS_ADDRESS)$/

/** Secrets of the caller's shell never reach the keeper's environment; NODE_OPTIONS must not either. */
export function keeperEnvironment(env: CliContext['env']): Record<string, string> {
  const entries = Object.entries(env).filter(
    ([name, value]) => value !== undefined && (KEEPER_VARIABLES.test(name) || BUS_AND_CACHE.test(name)),
  )
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...Object.fromEntries(entries),
  }
}

/**
 * Tries until a keeper answers. `start`: makes a candidate; a candidate that finds the lock taken ends
 * with 75, and another is tried later, since the winner itself may be killed before it listens.
 */
async function waitForKeeper(
  context: CliContext,
  start: (() => Launched) | null,
  timeoutMs: number,
): Promise<KeeperClient | null> {
  const deadline = performance.now() + timeoutMs
  let candidate: Candidate | null = null
  let pauseMs = 10
  for (;;) {
    const left = deadline - performance.now()
    const keeper = await attempt(context.stateDir(), Math.max(left, 1))
    if (keeper !== null) return keeper
    if (left <= 0) return start === null ? failSilent(context) : failUnseen(context, candidate)
    if (start === null && lockHolder(context.stateDir().keeperLock) === null) return null
    if (start !== null && (candidate === null || candidate.retryAt <= performance.now()))
      candidate = follow(start())
    if (candidate?.failure != null) throw silent(context.stateDir(), candidate.failure)
    await pause(pauseMs, candidate)
    pauseMs = Math.min(pauseMs * 1.5, 20)
  }
}

interface Candidate {
  /** The last one found the lock taken. */
  beaten: boolean
  retryAt: number
  failure: string | null
  readonly ended: Promise<unknown>
}

function follow(launched: Launched): Candidate {
  const ended = launched.ended.then(end => {
    // Killed, or beaten to the lock: look again shortly. Any other end is a keeper that cannot start.
    if (end.error !== null) candidate.failure = `The keeper could not be started: ${end.error}`
    else if (end.signal !== null || end.code === LOCK_HELD || end.code === 0) {
      candidate.beaten = end.code === LOCK_HELD
      candidate.retryAt = performance.now() + 200
    } else candidate.failure = `The keeper ended with exit ${end.code} instead of starting`
  })
  const candidate: Candidate = { beaten: false, retryAt: Number.POSITIVE_INFINITY, failure: null, ended }
  return candidate
}

async function pause(ms: number, candidate: Candidate | null): Promise<void> {
  const timer = new Promise<void>(resolve => setTimeout(resolve, ms))
  const over = candidate === null || candidate.retryAt !== Number.POSITIVE_INFINITY
  await (over ? timer : Promise.race([timer, candidate.ended]))
}

async function attempt(state: StateDir, timeoutMs: number): Promise<KeeperClient | null> {
  const deadline = performance.now() + timeoutMs
  let keeper: KeeperClient
  try {
    keeper = await KeeperClient.connect(state.keeperSocket, Math.min(CONNECT_MS, timeoutMs))
  } catch (error) {
    if (error instanceof MarkError && error.code === 'MARK_NOT_RUNNING') return null
    throw error
  }
  try {
    await keeper.ask({ ask: 'ping' }, Math.max(1, deadline - performance.now()))
    return keeper
  } catch (error) {
    keeper.close()
    if (!(error instanceof MarkError)) throw error
    if (error.code === 'MARK_NOT_RUNNING') return null // it ended while we asked
    throw error.code === 'MARK_KEEPER_SILENT'
      ? silent(state, 'The keeper is there but does not answer')
      : error
  }
}

/** Processes of another container are not shown in /proc/locks of this one, but their locks hold. */
function failUnseen(context: CliContext, candidate: Candidate | null): null {
  const { dir, keeperLock } = context.stateDir()
  if (candidate?.beaten !== true || lockHolder(keeperLock) !== null) return null
  throw new MarkError(
    'MARK_LOCK_HELD',
    `Somebody who cannot be seen from here keeps the fleet of ${dir}.`,
    'is the directory shared with another container or host? Each fleet needs a state directory of its own.',
  )
}

function failSilent(context: CliContext): never {
  throw silent(context.stateDir(), 'A keeper holds the lock but does not answer')
}

function silent(state: StateDir, what: string): MarkError {
  const holder = lockHolder(state.keeperLock)
  const last = lastLines(state.keeperLog, 3)
  const log = last === '' ? `see ${state.keeperLog}` : `the last of ${state.keeperLog} is: ${last}`
  const stopped =
    holder === null ? '' : `is pid ${holder} stopped or starved? \`mark kill\` works without it; `
  return new MarkError('MARK_KEEPER_SILENT', `${what.replace(/\.$/, '')}.`, `${stopped}${log}`)
}

function lastLines(path: string, count: number): string {
  try {
    const lines = readFileSync(path, 'utf8').slice(-4096).trim().split('\n')
    // Of a crash the line that names it, not the end of its trace.
    const crash = lines.findLast(line => /^(?:\w*Error|error\[\w+\])\b.*:/.test(line))
    const telling = crash === undefined ? lines.slice(-count) : [crash]
    return telling.map(visible).join(' | ')
  } catch {
    return ''
  }
}
