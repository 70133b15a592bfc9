/**
 * What a state directory says while nobody answers: plan, session, runs and kills, read without changing a
 * byte. A file that cannot be read is as good as absent here, and is named in `degraded`.
 */
import { basename, dirname } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { type ChildrenDocument, recordsOf, type RunRecord } from '../core/keeper-state.ts'
import type { Plan } from '../core/plan.ts'
import { type LiveRun, statusFromDisk } from '../core/status.ts'
import type { ProcessView, StatusDocument } from '../core/view.ts'
import { peekChecked } from '../host/atomic-file.ts'
import { peekChildren } from '../host/children-file.ts'
import { systemClock } from '../host/clock.ts'
import { readLatches } from '../host/latch.ts'
import { lockHolder } from '../host/lock-holder.ts'
import { alive, bootId } from '../host/proc.ts'
import { findMain } from '../host/process-tree.ts'
import { readRunRecords } from '../host/run-records.ts'
import type { StateDir } from '../host/state-dir.ts'

/** The start time of no process. */
const UNKNOWN_START = -1

export interface Disk {
  readonly plan: Plan | null
  readonly children: ChildrenDocument | null
  readonly live: readonly LiveRun[]
  readonly keeperPid: number | null
  readonly degraded: readonly string[]
}

/** Reads it all. Throws MARK_DENIED when the directory belongs to somebody else. */
export function readDisk(state: StateDir): Disk {
  const degraded: string[] = []
  const plan = peek(state.plan, degraded, path => {
    const { value, source } = peekChecked(path)
    return { value: value as Plan | null, damaged: source === 'backup' }
  })
  const children = peek(state.children, degraded, path => {
    const { document, damaged } = peekChildren(path)
    return { value: document, damaged }
  })
  return { plan, children, live: liveRuns(state), keeperPid: lockHolder(state.keeperLock), degraded }
}

/** A session is open, or runs live, and no keeper holds the lock. */
export function isDeserted(disk: Disk): boolean {
  return disk.keeperPid === null && (disk.children?.open === true || disk.live.length > 0)
}

/** Modules' runs whose process lives. MARK's own children (`@daemon`) are not among them. */
export function liveRuns(state: StateDir): LiveRun[] {
  return everyLiveRun(state).filter(run => !run.module.startsWith('@'))
}

/** Runs whose process lives: pid, start time and boot id all agree, or its environment names the run. */
export function everyLiveRun(state: StateDir): LiveRun[] {
  const boot = bootId()
  const records = new Map([...remembered(state), ...readRunRecords(state)].map(run => [run.run_id, run]))
  return [...records.values()].flatMap(run => {
    if (run.boot_id !== boot) return []
    const found =
      run.pid === null ? findMain(run.run_id) : { pid: run.pid, startTime: run.start_time ?? UNKNOWN_START }
    return found && alive(found) ? [{ ...run, pid: found.pid, start_time: found.startTime }] : []
  })
}

/** Also of a keeper that died between starting a process and writing its record. */
function remembered(state: StateDir): RunRecord[] {
  try {
    const plan = peekChecked(state.plan).value as Plan | null
    return recordsOf(peekChildren(state.children).document, plan)
  } catch {
    return []
  }
}

/**
 * The status document from disk alone (`unsupervised`, `stopped`, or `degraded` when a keeper is there but
 * mute).
 */
export function diskStatus(state: StateDir, disk: Disk): StatusDocument {
  const latches = readLatches(state.latchDir)
  const unreadable = latches.unreadable.map(
    file => `the kill switch entry ${file} cannot be read: it counts as halt for all`,
  )
  return statusFromDisk({
    plan: disk.plan,
    children: disk.children,
    live: disk.live,
    kills: latches.kills.map(({ note: _note, ...kill }) => kill),
    silentKeeper: silentKeeper(disk),
    fallbackName: basename(dirname(state.dir)),
    now: systemClock.now(),
    degraded: [...disk.degraded, ...unreadable],
  })
}

function silentKeeper(disk: Disk): ProcessView | null {
  if (disk.keeperPid === null) return null
  const known = disk.children?.keeper
  if (known?.pid === disk.keeperPid) return known
  return { pid: disk.keeperPid, version: 'unknown', started_at: disk.children?.keeper.started_at ?? '' }
}

function peek<T>(
  path: string,
  degraded: string[],
  read: (path: string) => { value: T | null; damaged: boolean },
): T | null {
  try {
    const { value, damaged } = read(path)
    if (damaged) degraded.push(`${basename(path)} is damaged: its backup was read`)
    return value
  } catch (error) {
    if (isDenied(error)) throw denied(path, error)
    if (error instanceof MarkError) throw error
    degraded.push(`${basename(path)} cannot be read`)
    return null
  }
}

function isDenied(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return code === 'EACCES' || code === 'EPERM'
}

function denied(path: string, cause: unknown): MarkError {
  return new MarkError(
    'MARK_DENIED',
    `You may not read ${path}.`,
    'use the account that runs this fleet, or root.',
    cause,
  )
}
