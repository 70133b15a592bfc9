/**
 * A module's own log file: opened for append and handed to the run, so that MARK is not in the path. Offsets
 * that leave here are logical and never move: live file's base + physical offset. Where the ring does not cut
 * it, too large a file is renamed to its logical start before the next run; nobody else's file is ever opened
 * through a link.
 */
import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import type { LogSpec } from '../core/plan.ts'
import { readRegularFile, writeAtomic } from './atomic-file.ts'
import { archiveName, pruneArchives } from './log-archive.ts'
import { type LiveLog, lookAtLive } from './log-front.ts'
import { settledAt, writeOrigin } from './log-origin.ts'
import { archiveDir, indexPath, livePath } from './log-paths.ts'
import { removeLeftOvers, settleLog } from './log-settle.ts'
import { isShortage } from './shortage.ts'

export { livePath } from './log-paths.ts'

export interface OpenedLog {
  /** For the run's stdout and stderr; the caller closes its copy after the spawn. */
  readonly fd: number
  /** Logical offset of the first byte this run will write, if nobody else writes. */
  readonly logicalStart: number
}

const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
const INDEX_MAX_BYTES = 1024 * 1024
/** A live file with a larger hole at its front stays where it is: renamed, it would cover its archives. */
const HOLE_MAX_BYTES = 64 * 1024

export interface OpenOptions {
  /** Its start is marked in the index as this run's. */
  readonly runId?: string
  /** The caller marks it, later. */
  readonly unmarked?: boolean
  /** Another run still writes to the file (reload): it must stay where it is. */
  readonly inUse?: boolean
}

/**
 * Opens logs/<m>.log for a new run, rotating it first where it is too large. Throws what the file system
 * says.
 */
export function openForRun(
  state: { readonly logs: string },
  module: string,
  spec: LogSpec,
  nowMs: number,
  options: OpenOptions = {},
): OpenedLog {
  const { logs } = state
  mkdirSync(logs, { recursive: true, mode: 0o750 })
  const look = prepareLive(logs, module, options.inUse ? Number.POSITIVE_INFINITY : spec.maxSizeBytes)
  pruneArchives(logs, module, liveBytes(look), spec)
  const fd = openLive(logs, module)
  try {
    // In the midst of a cut only a look of its own tells which base and size belong together.
    const isAtRest = look.front.origin?.phase === 'settled'
    const size = sizeOf(fd, logs, module)
    const logicalStart = isAtRest ? look.front.base + size : logicalSize(logs, module)
    const { runId = null, unmarked } = options
    if (!unmarked) markStart(logs, module, { timeMs: nowMs, offset: logicalStart, runId })
    return { fd, logicalStart }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/**
 * As `openForRun`, where the ring keeps the log within its bounds and knows its base; null when the file is
 * not as the ring left it.
 */
export function openKnown(
  { logs }: { readonly logs: string },
  module: string,
  base: number,
): OpenedLog | null {
  try {
    const fd = openSync(livePath(logs, module), O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK)
    try {
      return { fd, logicalStart: base + sizeOf(fd, logs, module) }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  } catch {
    return null
  }
}

/** A run starts with a full disk too: then only the times of its lines are less exact. */
function markStart(logs: string, module: string, entry: IndexEntry): void {
  try {
    appendIndex(logs, module, entry)
  } catch {}
}

function openLive(logs: string, module: string): number {
  return openSync(livePath(logs, module), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640)
}

function sizeOf(fd: number, logs: string, module: string): number {
  const stat = fstatSync(fd)
  if (!stat.isFile()) throw new Error(`${livePath(logs, module)} is not a regular file.`)
  return stat.size
}

/** Logical offset from which on the live file is read. */
export function baseOf(logs: string, module: string): number {
  return lookAtLive(logs, module).front.seam
}

/** Logical offset just after the last byte written. */
export function logicalSize(logs: string, module: string): number {
  return lookAtLive(logs, module).end
}

/** What the live file holds beyond the archives, in bytes. */
export function liveBytes({ front, end }: LiveLog): number {
  return end - front.seam
}

export interface IndexEntry {
  readonly timeMs: number
  /** Logical. */
  readonly offset: number
  readonly runId: string | null
}

/** Remembers that the log had grown to `offset` at `timeMs`; keeps at most 1 MB, the newest. */
export function appendIndex(logs: string, module: string, entry: IndexEntry): void {
  const path = indexPath(logs, module)
  appendFileSync(path, `${Math.floor(entry.timeMs)} ${entry.offset} ${entry.runId ?? '-'}\n`, { mode: 0o640 })
  if (statSync(path).size <= INDEX_MAX_BYTES) return
  const bytes = readRegularFile(path) as Buffer
  const half = bytes.indexOf(10, Math.floor(bytes.length / 2)) + 1
  writeAtomic(path, bytes.subarray(half), { mode: 0o640, fsync: false })
}

/** All entries by offset, late ones in their place; damaged lines are left out. */
export function readIndex(logs: string, module: string): IndexEntry[] {
  const entries: IndexEntry[] = []
  const text = readRegularFile(indexPath(logs, module))?.toString('latin1') ?? ''
  for (const line of text.split('\n')) {
    const match = /^(\d{1,15}) (\d{1,15}) (\S+)$/.exec(line)
    if (!match) continue
    const runId = match[3] === '-' ? null : (match[3] as string)
    entries.push({ timeMs: Number(match[1]), offset: Number(match[2]), runId })
  }
  return entries.sort((a, b) => a.offset - b.offset)
}

/** A run starts on a full disk too: the log is then rotated another time. */
function prepareLive(logs: string, module: string, maxSizeBytes: number): LiveLog {
  const look = lookAtLive(logs, module)
  const isRenaming = look.front.origin?.phase === 'renaming'
  if (!isRenaming && liveBytes(look) <= maxSizeBytes) return look
  try {
    // While the renamed file is surely still there: its inode is what tells.
    if (isRenaming) settleLog(logs, module)
    rotateBeyond(logs, module, maxSizeBytes)
  } catch (error) {
    if (isShortage(error)) throw error
  }
  return lookAtLive(logs, module)
}

/** A cut that is under way, or one a crash left, has the file: then the ring sees to its size. */
function rotateBeyond(logs: string, module: string, maxSizeBytes: number): void {
  const look = lookAtLive(logs, module)
  const { front, stat, end } = look
  if (stat === null || liveBytes(look) <= maxSizeBytes) return
  if (front.origin !== null && front.origin.phase !== 'settled') return
  if (front.seam - front.base > HOLE_MAX_BYTES) return
  const counter = (front.origin?.counter ?? 0) + 1
  const before = settledAt(counter + 1, front.base, front.seam)
  removeLeftOvers(logs, module, before)
  const moved = { nextBase: end, nextKept: end, inode: stat.ino }
  mkdirSync(archiveDir(logs, module), { recursive: true, mode: 0o750 })
  writeOrigin(logs, module, { ...before, ...moved, counter, phase: 'renaming' })
  renameSync(livePath(logs, module), join(archiveDir(logs, module), archiveName(front.base)))
  writeOrigin(logs, module, settledAt(counter + 1, end, end))
}
