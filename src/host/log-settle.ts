/**
 * Brings a log back to rest when no cut is under way in this process: after a crash, a missing or damaged
 * origin, or a live file that somebody emptied. Exact, because the marker and the inode say whether the
 * change had happened. A cut that had not is taken back; nothing that is not also elsewhere is removed.
 */
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeAll } from './atomic-file.ts'
import { archivesOf, listDir, removeArchive } from './log-archive.ts'
import { frontOf, isMarked } from './log-front.ts'
import { type LogOrigin, openOrigin, putOrigin, settledAt } from './log-origin.ts'
import { archiveDir, livePath } from './log-paths.ts'

/** The origin at rest. Throws what the file system says; the log is then as it was, and readers cope. */
export function settleLog(logs: string, module: string): LogOrigin {
  const live = openToChange(logs, module)
  try {
    const { base, seam, origin } = frontOf(logs, module, live)
    if (origin?.phase === 'settled' && origin.counter > 0) return origin
    const record = openOrigin(logs, module)
    try {
      if (origin !== null && isUnderWay(origin, live)) return takeBack(record, live as number, origin)
      const settled = settledAt((origin?.counter ?? 0) + 2, base, seam)
      putOrigin(record, settled)
      return settled
    } finally {
      closeSync(record)
    }
  } finally {
    if (live !== null) closeSync(live)
  }
}

/** Removes what a cut that never came to its end left: half an archive, or one of bytes the live file has. */
export function removeLeftOvers(logs: string, module: string, settled: LogOrigin): void {
  const dir = archiveDir(logs, module)
  for (const name of listDir(dir)) {
    if (name.endsWith('.log.tmp')) rmSync(join(dir, name), { force: true })
  }
  for (const archive of archivesOf(logs, module)) {
    if (archive.start >= settled.kept) removeArchive(archive)
  }
}

/**
 * Undoes a cut that has not happened: first the record says so, then the bytes under the marker come back.
 * `live` is open for reading and writing.
 */
export function takeBack(record: number, live: number, origin: LogOrigin): LogOrigin {
  if (origin.phase === 'cutting') putOrigin(record, { ...origin, phase: 'marking' })
  if (isMarked(origin, live)) writeAll(live, Buffer.from(origin.saved, 'base64url'), 0)
  const settled = settledAt(origin.counter + 1, origin.base, origin.kept)
  putOrigin(record, settled)
  return settled
}

/** For reading and writing in place, never at the end; null when it is not there. */
function openToChange(logs: string, module: string): number | null {
  const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    return openSync(livePath(logs, module), O_RDWR | O_NOFOLLOW | O_NONBLOCK)
  } catch {
    return null
  }
}

/** Not cut yet: the live file still begins at `base`. */
function isUnderWay(origin: LogOrigin, live: number | null): boolean {
  if (live === null || origin.phase === 'settled' || origin.phase === 'renaming') return false
  return origin.phase === 'marking' || isMarked(origin, live)
}
