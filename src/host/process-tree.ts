/**
 * What a run has left behind: every live process it ever started, found by its session, its process group,
 * its tag, its MARK_RUN_ID or its descent. Never names pid 1, the keeper, or a process that the keeper knows
 * as somebody else's; never trusts a bare pid. A scan is a moment: call again until it comes back empty.
 */
import { constants } from 'node:os'
import type { Libc } from './libc.ts'
import {
  allPids,
  childrenOf,
  childrenOfMainThread,
  environSays,
  isDead,
  type ProcStat,
  readStat,
} from './proc.ts'
import { tagOf } from './run-tag.ts'
import { errnoOf } from './shortage.ts'

export interface RunIdentity {
  readonly pid: number | null
  readonly runId: string
  /** Clock ticks since boot; null when it was never learned. */
  readonly startTime: number | null
  /** What all its processes carry, see libc-spawn.ts. */
  readonly tag?: number | null
}

export interface SurvivorOptions {
  readonly keeperPid: number
  /** Main processes of other runs, the daemon, and what else must never be named. */
  readonly known: ReadonlySet<number>
  /**
   * false: only orphans that came home to the keeper, and what descends from them (enough for a run that was
   * the keeper's own child). true: all of /proc (adopted runs, or no subreaper).
   */
  readonly full: boolean
  /** Its main process is known to be gone, and its pid perhaps used again. */
  readonly isMainGone?: boolean
}

/** How often, and how long apart, a process without an environment is looked at again. */
const EXEC_LOOKS = 3
const EXEC_WAIT_MS = 2
const NOBODY_WAKES = new Int32Array(new SharedArrayBuffer(4))

/** Live processes of the run, its main process left out. Throws HostShortage when it could not look. */
export function survivors(run: RunIdentity, options: SurvivorOptions): number[] {
  const never = new Set([1, options.keeperPid, process.pid, ...options.known])
  if (run.pid !== null) never.add(run.pid)
  const look = (): number[] => (options.full ? everywhere(run, never) : amongOrphans(run, options, never))
  const found = look()
  // What a dying process forked last comes home after its place in the list was read: nothing is nothing
  // only when it is so twice.
  return found.length > 0 ? found : look()
}

/**
 * Signals each process, checking by its start time that it is still the one that was found. Returns how many
 * were signalled. Call it right after `survivors`.
 */
export function killSurvivors(
  pids: readonly number[],
  signal: number | NodeJS.Signals,
  libc: Libc | null,
): number {
  let count = 0
  for (const pid of pids) {
    const stat = readStat(pid)
    if (stat !== null && !isDead(stat) && signalOne(stat, signal, libc)) count++
  }
  return count
}

/** The main process of a run that was about to be started, by its environment; null: there is none. */
export function findMain(runId: string): { readonly pid: number; readonly startTime: number } | null {
  for (const pid of allPids()) {
    const stat = environSays(pid, 'MARK_RUN_ID', runId) ? readStat(pid) : null
    if (stat && stat.session === pid) return { pid, startTime: stat.startTime }
  }
  return null
}

function amongOrphans(
  run: RunIdentity,
  { keeperPid, isMainGone }: SurvivorOptions,
  never: ReadonlySet<number>,
): number[] {
  const mayLive = run.pid !== null && !isMainGone
  const todo = mayLive && isMain(readStat(run.pid as number), run) ? childrenOf(run.pid as number) : []
  const orphans: ProcStat[] = []
  for (const pid of childrenOfMainThread(keeperPid)) {
    const stat = never.has(pid) ? null : readStat(pid)
    if (stat !== null && !isDead(stat)) orphans.push(stat)
  }
  // Our own child cannot be another process under a used pid: its pid is free only after we reaped it.
  for (const { pid } of membersAmong(orphans, run, true)) todo.push(pid)
  const found = new Set<number>()
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    if (found.has(pid) || never.has(pid)) continue
    const stat = readStat(pid)
    if (stat === null || isDead(stat)) continue
    found.add(pid)
    todo.push(...childrenOf(pid))
  }
  return [...found]
}

function isMain(stat: ProcStat | null | undefined, run: RunIdentity): boolean {
  return stat != null && (run.startTime === null || stat.startTime === run.startTime)
}

function everywhere(run: RunIdentity, never: ReadonlySet<number>): number[] {
  const stats = new Map<number, ProcStat>()
  const children = new Map<number, ProcStat[]>()
  for (const pid of allPids()) {
    const stat = readStat(pid)
    if (stat === null) continue
    stats.set(pid, stat)
    const siblings = children.get(stat.ppid)
    if (siblings) siblings.push(stat)
    else children.set(stat.ppid, [stat])
  }
  const candidates = [...stats.values()].filter(stat => !never.has(stat.pid))
  const found = new Set<number>()
  const todo = membersAmong(candidates, run, ownsItsNumbers(run, stats))
  const main = run.pid === null ? undefined : stats.get(run.pid)
  if (main && isMain(main, run)) todo.push(...(children.get(main.pid) ?? []))
  for (let stat = todo.pop(); stat !== undefined; stat = todo.pop()) {
    if (found.has(stat.pid) || never.has(stat.pid)) continue
    found.add(stat.pid)
    todo.push(...(children.get(stat.pid) ?? []))
  }
  return [...found].filter(pid => !isDead(stats.get(pid) as ProcStat))
}

/**
 * May session and group numbers equal to the run's pid be taken for the run's? Not when another process has
 * that pid by now: the kernel gives a number away only when no session or group uses it any more.
 */
function ownsItsNumbers(run: RunIdentity, stats: ReadonlyMap<number, ProcStat>): boolean {
  const holder = run.pid === null ? undefined : stats.get(run.pid)
  return holder === undefined || isMain(holder, run)
}

/**
 * Those that session, group or environment show to be the run's. In the middle of an exec a process shows no
 * environment: such ones are looked at again for a few milliseconds.
 */
function membersAmong(
  candidates: readonly ProcStat[],
  run: RunIdentity,
  numbersAreOurs: boolean,
): ProcStat[] {
  const members: ProcStat[] = []
  let doubtful: ProcStat[] = []
  for (const stat of candidates) {
    if (run.startTime !== null && stat.startTime < run.startTime) continue
    const sameNumber = run.pid !== null && (stat.session === run.pid || stat.pgrp === run.pid)
    const says = (numbersAreOurs && sameNumber) || carries(stat, run)
    if (says === true) members.push(stat)
    else if (says === null) doubtful.push(stat)
  }
  for (let look = 0; look < EXEC_LOOKS && doubtful.length > 0; look++) {
    Atomics.wait(NOBODY_WAKES, 0, 0, EXEC_WAIT_MS)
    const again = doubtful
    doubtful = []
    for (const stat of again) {
      const says = carries(stat, run)
      if (says === true) members.push(stat)
      else if (says === null) doubtful.push(stat)
    }
  }
  return members
}

/**
 * The tag decides where there is one: it outlives exec, setsid and a wiped environment. null: neither tag nor
 * environment, as in the middle of an exec. Kernel threads have no environment, and no session.
 */
function carries(stat: ProcStat, run: RunIdentity): boolean | null {
  const tag = run.tag == null ? null : tagOf(stat.pid)
  if (tag !== null && tag === run.tag) return true
  const says = environSays(stat.pid, 'MARK_RUN_ID', run.runId)
  return tag !== null || stat.session === 0 || isDead(stat) ? says === true : says
}

function signalOne(found: ProcStat, signal: number | NodeJS.Signals, libc: Libc | null): boolean {
  const pidfd = libc?.pidfdOpen(found.pid)
  if (pidfd === null) return false
  try {
    // With a pidfd in hand the pid cannot change its owner any more, so this look decides.
    if (readStat(found.pid)?.startTime !== found.startTime) return false
    if (libc && pidfd !== undefined)
      return libc.pidfdSignal(pidfd, typeof signal === 'number' ? signal : constants.signals[signal], false)
    process.kill(found.pid, signal)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EPERM') return false
    throw error
  } finally {
    if (pidfd !== undefined) libc?.close(pidfd)
  }
}
