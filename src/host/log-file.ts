/**
 * A module's own log file: opened for append and handed to the run, so that MARK is not in the path. Offsets
 * that leave here are logical and never move: live file's base + physical offset. Too large a file is renamed
 * to its logical start before the next run; nobody else's file is ever opened through a link.
 */
import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import type { LogSpec } from '../core/plan.ts'
import { readRegularFile, writeAtomic } from './atomic-file.ts'

export interface OpenedLog {
  /** For the run's stdout and stderr; the caller closes its copy after the spawn. */
  readonly fd: number
  /** Logical offset of the first byte this run will write, if nobody else writes. */
  readonly logicalStart: number
}

export interface LogArchive {
  readonly path: string
  readonly start: number
  /** Logical, just after its last byte. */
  readonly end: number
}

const INDEX_MAX_BYTES = 1024 * 1024
const DIGITS = 20

export interface OpenOptions {
  /** Its start is then marked in the index as this run's. */
  readonly runId?: string
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
  if (!options.inUse && liveSize(logs, module) > spec.maxSizeBytes) rotate(logs, module)
  prune(logs, module, spec)
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  const fd = openSync(livePath(logs, module), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new Error(`${livePath(logs, module)} is not a regular file.`)
    const logicalStart = baseOf(logs, module) + stat.size
    markStart(logs, module, { timeMs: nowMs, offset: logicalStart, runId: options.runId ?? null })
    return { fd, logicalStart }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

export function livePath(logs: string, module: string): string {
  return join(logs, `${module}.log`)
}

/** Logical offset of the live file's first byte. */
export function baseOf(logs: string, module: string): number {
  const newest = archivesOf(logs, module).at(-1)
  // A crash between the rename and the writing of the base leaves the archive's end as the truth.
  return Math.max(readBase(logs, module), newest?.end ?? 0)
}

/** Logical offset just after the last byte written. */
export function logicalSize(logs: string, module: string): number {
  return baseOf(logs, module) + liveSize(logs, module)
}

/** Rotated files, oldest first. */
export function archivesOf(logs: string, module: string): LogArchive[] {
  const dir = join(logs, module)
  const archives: LogArchive[] = []
  for (const name of listDir(dir).sort()) {
    const path = join(dir, name)
    const size = /^\d{20}\.log$/.test(name) ? sizeOf(path) : null
    if (size === null) continue
    const start = Number(name.slice(0, DIGITS))
    archives.push({ path, start, end: start + size })
  }
  return archives
}

export interface IndexEntry {
  readonly timeMs: number
  /** Logical. */
  readonly offset: number
  readonly runId: string | null
}

/** Remembers that the log had grown to `offset` at `timeMs`; keeps at most 1 MB, the newest. */
export function appendIndex(logs: string, module: string, entry: IndexEntry): void {
  const path = join(logs, `${module}.idx`)
  appendFileSync(path, `${Math.floor(entry.timeMs)} ${entry.offset} ${entry.runId ?? '-'}\n`, { mode: 0o640 })
  if (statSync(path).size <= INDEX_MAX_BYTES) return
  const bytes = readRegularFile(path) as Buffer
  const half = bytes.indexOf(10, Math.floor(bytes.length / 2)) + 1
  writeAtomic(path, bytes.subarray(half), { mode: 0o640, fsync: false })
}

/** All entries in the order they were written; damaged lines are left out. */
export function readIndex(logs: string, module: string): IndexEntry[] {
  const entries: IndexEntry[] = []
  const text = readRegularFile(join(logs, `${module}.idx`))?.toString('latin1') ?? ''
  for (const line of text.split('\n')) {
    const match = /^(\d{1,15}) (\d{1,15}) (\S+)$/.exec(line)
    if (!match) continue
    const runId = match[3] === '-' ? null : (match[3] as string)
    entries.push({ timeMs: Number(match[1]), offset: Number(match[2]), runId })
  }
  return entries
}

/** A run starts with a full disk too: then only the times of its lines are less exact. */
function markStart(logs: string, module: string, entry: IndexEntry): void {
  try {
    appendIndex(logs, module, entry)
  } catch {}
}

function rotate(logs: string, module: string): void {
  const base = baseOf(logs, module)
  const size = liveSize(logs, module)
  mkdirSync(join(logs, module), { recursive: true, mode: 0o750 })
  const archive = `${String(base).padStart(DIGITS, '0')}.log`
  renameSync(livePath(logs, module), join(logs, module, archive))
  try {
    writeAtomic(join(logs, `${module}.base`), `${base + size}\n`, { mode: 0o640, fsync: false })
  } catch {
    // A full disk: the end of the archive just made says the same for as long as that archive is kept.
  }
}

/** Oldest archives go until `keep` and `quotaBytes` (the live file counts) hold. */
function prune(logs: string, module: string, spec: LogSpec): void {
  const archives = archivesOf(logs, module)
  let total = liveSize(logs, module) + archives.reduce((sum, { start, end }) => sum + end - start, 0)
  for (const [index, archive] of archives.entries()) {
    if (archives.length - index <= spec.keep && total <= spec.quotaBytes) return
    rmSync(archive.path, { force: true })
    total -= archive.end - archive.start
  }
}

function readBase(logs: string, module: string): number {
  const text =
    readRegularFile(join(logs, `${module}.base`))
      ?.toString('latin1')
      .trim() ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

function liveSize(logs: string, module: string): number {
  return sizeOf(livePath(logs, module)) ?? 0
}

/** null for what is not a regular file. */
function sizeOf(path: string): number | null {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFile() ? stat.size : null
}

function listDir(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
