/**
 * What a module's origin record and its live file say together, at any moment of a cut and after any crash:
 * where the live file begins, and from where on it is read instead of the archives. Decides by the marker
 * while a cut is under way; without a record by what archives and live file hold. Changes nothing.
 */
import { closeSync, fstatSync, lstatSync, type Stats } from 'node:fs'
import { archivesOf, ArchiveReader, type LogArchive } from './log-archive.ts'
import { type LogOrigin, MARKER_BYTES, markerOf, readOrigin } from './log-origin.ts'
import { livePath, openToRead, readAt } from './log-paths.ts'

export interface LogFront {
  /** Equal tokens before and after a read: nothing was moved between. */
  readonly token: string
  /** Logical offset of the live file's first byte. */
  readonly base: number
  /** The live file is read from here on (logical, >= base); below, archives are. */
  readonly seam: number
  /** null: no record proves itself, and the rest was concluded. */
  readonly origin: LogOrigin | null
}

/** `fd`: the live file, open; null when it is not there. Throws HostShortage when it could not look. */
export function frontOf(logs: string, module: string, fd: number | null): LogFront {
  const origin = readOrigin(logs, module)
  if (origin === null || origin.counter === 0) {
    const { base, seam } = conclude(logs, module, fd, origin?.base ?? 0)
    return { token: `none:${base}:${seam}`, base, seam, origin }
  }
  const [base, seam, isOld] = placeBy(origin, fd)
  return { token: `${origin.counter}:${origin.phase}:${isOld}`, base, seam, origin }
}

/** Is the marker of this cut at the live file's front: not cut yet? */
export function isMarked(origin: LogOrigin, fd: number | null): boolean {
  return fd !== null && readAt(fd, 0, MARKER_BYTES).equals(markerOf(origin))
}

/** The live file as it stands and the front that belongs to it. */
export interface LiveLog {
  readonly front: LogFront
  /** null: there is no live file. */
  readonly stat: Stats | null
  /** Logical offset after the last byte. */
  readonly end: number
}

const ATTEMPTS = 50

/**
 * A look at which front, live file and size belong together. `keep` gets the open live file; without it, it
 * is closed.
 */
export function lookAtLive(logs: string, module: string, keep?: (fd: number | null) => void): LiveLog {
  const path = livePath(logs, module)
  for (let attempt = 1; ; attempt++) {
    const fd = openRegular(path)
    let kept = false
    try {
      const front = frontOf(logs, module, fd)
      const stat = fd === null ? null : fstatSync(fd)
      const again = frontOf(logs, module, fd)
      const named = lstatSync(path, { throwIfNoEntry: false })
      const isSame = fd === null ? !named?.isFile() : stat?.ino === named?.ino
      const isWhole = front.token === again.token && isSame
      if (!isWhole && attempt < ATTEMPTS) continue
      if (keep) {
        kept = true
        keep(fd)
      }
      return { front, stat, end: Math.max(front.seam, front.base + (stat?.size ?? 0)) }
    } finally {
      if (!kept && fd !== null) closeSync(fd)
    }
  }
}

function openRegular(path: string): number | null {
  const fd = openToRead(path)
  if (fd === null || fstatSync(fd).isFile()) return fd
  closeSync(fd)
  return null
}

/** base, seam, and whether they are those from before the change. */
function placeBy(origin: LogOrigin, fd: number | null): [base: number, seam: number, isOld: boolean] {
  const { base, kept, nextBase, nextKept } = origin
  switch (origin.phase) {
    case 'settled':
      return [base, kept, true]
    case 'marking':
      // The marker may stand there already; what it stands over is in the archive.
      return [base, nextKept, true]
    case 'cutting':
      return isMarked(origin, fd) ? [base, nextKept, true] : [nextBase, nextKept, false]
    case 'renaming': {
      const isThere = fd !== null && fstatSync(fd).ino === origin.inode
      return isThere ? [base, kept, true] : [nextBase, nextKept, false]
    }
  }
}

const PROBE_BYTES = 4096

/**
 * Without a record of our own, the newest archive tells: the live file goes on where it ends, or still holds
 * it.
 */
function conclude(
  logs: string,
  module: string,
  fd: number | null,
  known: number,
): { base: number; seam: number } {
  const archives = archivesOf(logs, module).filter(({ start, end }) => end > start)
  const newest = archives.at(-1)
  if (!newest || newest.end <= known) return { base: known, seam: known }
  const before = archives.at(-2)
  const lead = before?.end === newest.start ? overlap(before, fd) : 0
  if (fd !== null && holds(newest, fd, lead)) return { base: newest.start - lead, seam: newest.start }
  return { base: newest.end - overlap(newest, fd), seam: newest.end }
}

/**
 * An archive ends with a line, a cut with a block: the live file then begins with the rest of the archive's
 * last line.
 */
function overlap(archive: LogArchive, fd: number | null): number {
  if (fd === null) return 0
  const front = readAt(fd, 0, 64 * 1024)
  const length = front.indexOf(10) + 1
  if (length === 0 || length >= archive.end - archive.start) return 0
  const tail = readAll(archive, archive.end - length - 1, length + 1)
  // After a newline it would be a whole line: the cut and the archive ended together.
  return tail[0] !== 10 && tail.subarray(1).equals(front.subarray(0, length)) ? length : 0
}

/** Does the live file, from physical `at` on, still hold what the archive does? */
function holds(archive: LogArchive, fd: number, at: number): boolean {
  const length = archive.end - archive.start
  if (fstatSync(fd).size < at + length) return false
  const probe = Math.min(length, PROBE_BYTES)
  return [0, length - probe].every(skip =>
    readAt(fd, at + skip, probe).equals(readAll(archive, archive.start + skip, probe)),
  )
}

function readAll(archive: LogArchive, from: number, length: number): Buffer {
  const reader = new ArchiveReader()
  const pieces: Buffer[] = []
  for (let at = from; at < from + length; ) {
    const piece = reader.read(archive, at, from + length - at)
    if (!piece?.length) break
    pieces.push(piece)
    at += piece.length
  }
  return Buffer.concat(pieces)
}
