/**
 * A module's output as one long span of bytes, addressed by logical offset, over archives and the live file.
 * One snapshot is consistent: the live file it holds open and the base that belongs to it, though the file
 * may be rotated meanwhile. Changes nothing.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { archivesOf, baseOf, type LogArchive, livePath } from './log-file.ts'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

export interface LogSpan {
  /** Logical offset of the first byte that is still kept. */
  readonly start: number
  /** Logical offset after the last byte. */
  readonly end: number
  /** Offset where the live file begins. */
  readonly base: number
  /** At most `maxBytes` from `from`, without a gap: short at a missing archive and at the end. */
  read(from: number, maxBytes: number): Buffer
  close(): void
}

const ATTEMPTS = 20

/** Throws HostShortage when it could not look. A log that is not there is an empty span. */
export function openSpan(logs: string, module: string): LogSpan {
  const path = livePath(logs, module)
  for (let attempt = 1; ; attempt++) {
    const fd = openLive(path)
    const archives = archivesOf(logs, module)
    const base = baseOf(logs, module)
    const stat = fd === null ? null : fstatSync(fd)
    const now = statSync(path, { throwIfNoEntry: false })
    // Rotated between the looks, the file held open would not belong to this base.
    if (stat?.ino === now?.ino || attempt === ATTEMPTS) return spanOf(fd, base, stat?.size ?? 0, archives)
    if (fd !== null) closeSync(fd)
  }
}

function spanOf(fd: number | null, base: number, size: number, archives: readonly LogArchive[]): LogSpan {
  // An archive never reaches over the next one's start, even if an old run still writes to it.
  const older = archives
    .map((archive, index) => ({ ...archive, end: Math.min(archive.end, archives[index + 1]?.start ?? base) }))
    .filter(archive => archive.end > archive.start)
  return {
    start: older[0]?.start ?? base,
    end: base + size,
    base,
    read(from, maxBytes) {
      const pieces: Buffer[] = []
      let at = from
      const left = (): number => maxBytes - (at - from)
      for (const archive of older) {
        if (at < archive.start || at >= archive.end || left() <= 0) continue
        const piece = readArchive(archive, at, Math.min(left(), archive.end - at))
        pieces.push(piece)
        at += piece.length
      }
      if (fd !== null && at >= base && left() > 0) {
        pieces.push(readAt(fd, at - base, Math.min(left(), base + size - at)))
      }
      return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    },
    close() {
      if (fd !== null) closeSync(fd)
    },
  }
}

function readArchive(archive: LogArchive, at: number, length: number): Buffer {
  const fd = openLive(archive.path)
  if (fd === null) return Buffer.alloc(0)
  try {
    return readAt(fd, at - archive.start, length)
  } finally {
    closeSync(fd)
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  if (length <= 0) return Buffer.alloc(0)
  const bytes = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, position + done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}

function openLive(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (isShortage(error)) throw new HostShortage(`to open ${path}`, errnoOf(error) ?? 'EMFILE')
    return null
  }
}
