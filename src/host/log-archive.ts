/**
 * What was cut off or rotated from a module's log: logs/<m>/<logical start>.log, later the same bytes as
 * .log.zst. Lists them, reads a range of one, forgets the oldest beyond keep and quota. An archive is never
 * changed after it got its name.
 */
import { closeSync, fstatSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { archiveDir, openToRead, readAt } from './log-paths.ts'
import { readFrame, readSeekTable, type ZstdFrame } from './seekable-zstd.ts'

export interface LogArchive {
  readonly path: string
  /** Logical. */
  readonly start: number
  /** Logical, just after its last byte. */
  readonly end: number
  /** What it takes on the disk. */
  readonly storedBytes: number
  /** Of its last byte, or later. */
  readonly timeMs: number
  readonly packed: boolean
}

const DIGITS = 20
const NAME = /^(\d{20})\.log(\.zst)?$/

export function archiveName(start: number): string {
  return `${String(start).padStart(DIGITS, '0')}.log`
}

/** Oldest first. While both forms of one are there, the plain one counts. */
export function archivesOf(logs: string, module: string): LogArchive[] {
  const dir = archiveDir(logs, module)
  const archives: LogArchive[] = []
  for (const name of listDir(dir).sort()) {
    const match = NAME.exec(name)
    if (!match) continue
    const start = Number(match[1])
    if (archives.at(-1)?.start === start) continue
    const archive = look(join(dir, name), start, match[2] !== undefined)
    if (archive) archives.push(archive)
  }
  return archives
}

export function listDir(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

export interface KeepRules {
  readonly keep: number
  /** Live file and archives together. */
  readonly quotaBytes: number
  /** Archives that ended before this wall time go; null: none do. */
  readonly olderThanMs?: number | null
}

/** Forgets the oldest until the rules hold; how many went. */
export function pruneArchives(logs: string, module: string, liveBytes: number, rules: KeepRules): number {
  const archives = archivesOf(logs, module)
  let total = liveBytes + archives.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  for (const [index, archive] of archives.entries()) {
    const isOld = archive.timeMs < (rules.olderThanMs ?? Number.NEGATIVE_INFINITY)
    if (archives.length - index <= rules.keep && total <= rules.quotaBytes && !isOld) return index
    removeArchive(archive)
    total -= archive.storedBytes
  }
  return archives.length
}

/** In both its forms. */
export function removeArchive(archive: LogArchive): void {
  const plain = archive.path.replace(/\.zst$/, '')
  // The packed form first: alone it would come to life again.
  rmSync(`${plain}.zst`, { force: true })
  rmSync(plain, { force: true })
}

/** Reads archives, keeping the frame it decompressed last. */
export class ArchiveReader {
  #path: string | null = null
  #frame: ZstdFrame | null = null
  #bytes: Buffer = Buffer.alloc(0)

  /** At most `length` bytes from logical `at`, without a gap; null when the archive is gone or damaged. */
  read(archive: LogArchive, at: number, length: number): Buffer | null {
    const fd = openToRead(archive.path)
    if (fd === null) return null
    try {
      if (!archive.packed) return readAt(fd, at - archive.start, length)
      return this.#unpacked(fd, archive, at - archive.start, length)
    } finally {
      closeSync(fd)
    }
  }

  /** No further than the end of the frame it begins in. */
  #unpacked(fd: number, archive: LogArchive, from: number, length: number): Buffer | null {
    const frame = this.#frame
    const isHere =
      this.#path === archive.path && frame && from >= frame.start && from < frame.start + frame.bytes
    if (!isHere) {
      const frames = readSeekTable(fd, fstatSync(fd).size)
      const wanted = frames?.find(({ start, bytes }) => from >= start && from < start + bytes)
      const bytes = wanted ? readFrame(fd, wanted) : null
      if (!wanted || bytes === null) return null
      this.#path = archive.path
      this.#frame = wanted
      this.#bytes = bytes
    }
    const skip = from - (this.#frame as ZstdFrame).start
    return this.#bytes.subarray(skip, skip + length)
  }
}

function look(path: string, start: number, packed: boolean): LogArchive | null {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat?.isFile()) return null
  // A damaged one holds nothing, but takes room until it is forgotten.
  const bytes = packed ? (unpackedBytes(path) ?? 0) : stat.size
  return { path, start, end: start + bytes, storedBytes: stat.size, timeMs: stat.mtimeMs, packed }
}

function unpackedBytes(path: string): number | null {
  const fd = openToRead(path)
  if (fd === null) return null
  try {
    const last = readSeekTable(fd, fstatSync(fd).size)?.at(-1)
    return last ? last.start + last.bytes : null
  } finally {
    closeSync(fd)
  }
}
