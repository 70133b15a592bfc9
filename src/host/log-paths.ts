/**
 * Where a module's log, its archives, its index and its origin lie, and how their bytes are read: plain files
 * only, never through a link, never waiting for a FIFO's other end. Changes nothing.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

/** The module's own file, which it appends to itself. */
export function livePath(logs: string, module: string): string {
  return join(logs, `${module}.log`)
}

/** Directory of what was cut off or rotated. */
export function archiveDir(logs: string, module: string): string {
  return join(logs, module)
}

/** `<m>.base`: where in all that the module ever wrote its live file begins. */
export function originPath(logs: string, module: string): string {
  return join(logs, `${module}.base`)
}

/** `<m>.idx`: how far the log had grown when. */
export function indexPath(logs: string, module: string): string {
  return join(logs, `${module}.idx`)
}

/** null where there is none; throws HostShortage when it could not look. The caller closes it. */
export function openToRead(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (isShortage(error)) throw new HostShortage(`to open ${path}`, errnoOf(error) ?? 'EMFILE')
    return null
  }
}

/** At most `length` bytes from physical `position`; shorter at the file's end. */
export function readAt(fd: number, position: number, length: number): Buffer {
  if (length <= 0) return Buffer.alloc(0)
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, position + done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}

/** As `readAt`, of a file by its path; empty where there is none. */
export function readPart(path: string, position: number, length: number): Buffer {
  const fd = openToRead(path)
  if (fd === null) return Buffer.alloc(0)
  try {
    return readAt(fd, position, length)
  } finally {
    closeSync(fd)
  }
}
