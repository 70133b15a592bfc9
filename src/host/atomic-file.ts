/**
 * Whole-file writes that are either there or not, and documents that prove themselves. A reader never sees a
 * torn file: what fails its checksum is set aside under another name (never deleted) and the backup answers
 * instead. Follows no symbolic link and opens nothing but regular files. Never writes into a file that is in
 * use.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

export interface WriteOptions {
  readonly mode: number
  /** Durable over a power cut when this returns; without it, over a kill of every process. */
  readonly fsync: boolean
  /** Keeps the generation before as `<path>.bak`. */
  readonly keepBackup?: boolean
}

export interface CheckedRead {
  readonly value: unknown
  readonly source: 'file' | 'backup' | 'none'
  /** Where bad files were moved to. */
  readonly setAside: string[]
}

const FILE_MAX_BYTES = 64 * 1024 * 1024

/**
 * Replaces `path` with `data` in one step. Throws what the file system says, and leaves the old file as it
 * was.
 */
export function writeAtomic(path: string, data: string | Buffer, options: WriteOptions): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  const temporary = temporaryBeside(path)
  try {
    writeNew(temporary, bytes, options)
    if (options.keepBackup) backUp(path)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (options.fsync) syncDir(dirname(path))
}

/**
 * Writes a JSON document that `readChecked` can prove. A current file that is bad does not become the backup.
 */
export function writeChecked(path: string, value: unknown, options: WriteOptions): void {
  writeCheckedText(path, JSON.stringify(value), options)
}

/** As `writeChecked`, for a document that is JSON text already. */
export function writeCheckedText(path: string, body: string, options: WriteOptions): void {
  const header = `mark1 ${digest(1, body)} ${Buffer.byteLength(body)}\n`
  const keepBackup = options.keepBackup === true && inspect(path).kind === 'good'
  writeAtomic(path, header + body, { ...options, keepBackup })
}

/**
 * Reads what `writeChecked` wrote: the file, else its backup. Bad ones are set aside. Throws
 * MARK_STATE_NEWER, leaving everything as it is, for a document of a later version, and HostShortage when it
 * could not look.
 */
export function readChecked(path: string): CheckedRead {
  const setAsideAs: string[] = []
  for (const [file, source] of generations(path)) {
    const found = inspect(file)
    if (found.kind === 'good') return { value: found.value, source, setAside: setAsideAs }
    if (found.kind === 'bad') setAsideAs.push(setAside(file))
  }
  return { value: null, source: 'none', setAside: setAsideAs }
}

/** As `readChecked`, for readers that own nothing: moves no file. */
export function peekChecked(path: string): Omit<CheckedRead, 'setAside'> {
  for (const [file, source] of generations(path)) {
    const found = inspect(file)
    if (found.kind === 'good') return { value: found.value, source }
  }
  return { value: null, source: 'none' }
}

/**
 * Moves a file out of the way as `<path>.corrupt-<n>`; its new name, or the old one if it could not be moved.
 */
export function setAside(path: string): string {
  for (let n = 1; n < 10_000; n++) {
    const name = `${path}.corrupt-${n}`
    if (lstatSync(name, { throwIfNoEntry: false })) continue
    try {
      renameSync(path, name)
      return name
    } catch {
      return path
    }
  }
  return path
}

/**
 * Bytes of a regular file of at most 64 MB, opened without following a link or waiting for a FIFO's other
 * end. null when there is none; throws an Error with a sentence when it is something else, HostShortage when
 * short.
 */
export function readRegularFile(path: string): Buffer | null {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    if (isShortage(error)) throw new HostShortage(`to open ${path}`, errnoOf(error) ?? 'EMFILE')
    throw error
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new Error(`${path} is not a regular file.`)
    if (stat.size > FILE_MAX_BYTES) throw new Error(`${path} is larger than 64 MB.`)
    return readAll(fd, stat.size)
  } finally {
    closeSync(fd)
  }
}

/** Makes renames and new names in a directory durable. */
export function syncDir(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Writes all of `bytes`, however many calls it takes. */
export function writeAll(fd: number, bytes: Buffer, position: number | null = null): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position === null ? null : position + done)
  }
}

type Found = { readonly kind: 'none' | 'bad' } | { readonly kind: 'good'; readonly value: unknown }

function generations(path: string): ReadonlyArray<readonly [string, 'file' | 'backup']> {
  return [
    [path, 'file'],
    [`${path}.bak`, 'backup'],
  ]
}

function inspect(path: string): Found {
  let bytes: Buffer | null
  try {
    bytes = readRegularFile(path)
  } catch (error) {
    if (error instanceof HostShortage) throw error
    return { kind: 'bad' }
  }
  return bytes === null ? { kind: 'none' } : parse(bytes, path)
}

function parse(bytes: Buffer, path: string): Found {
  const end = bytes.indexOf(10)
  const header = /^mark(\d{1,6}) ([0-9a-f]{64}) (\d{1,9})$/.exec(
    bytes.subarray(0, Math.max(end, 0)).toString('latin1'),
  )
  if (!header) return { kind: 'bad' }
  const body = bytes.subarray(end + 1)
  // The checksum covers the version, so that a flipped bit in it is damage and not a newer version.
  const proven = header[2] === digest(1, body) && Number(header[3]) === body.length
  const version = Number(header[1])
  if (version > 1 && !proven) {
    throw new MarkError(
      'MARK_STATE_NEWER',
      `${path} was written by a later version of MARK (format ${version}, this one knows 1).`,
      'Use the version of MARK that wrote it. Nothing was changed.',
    )
  }
  if (version !== 1 || !proven) return { kind: 'bad' }
  try {
    return { kind: 'good', value: JSON.parse(body.toString('utf8')) }
  } catch {
    return { kind: 'bad' }
  }
}

function digest(version: number, body: string | Buffer): string {
  return createHash('sha256').update(`mark${version}\n`).update(body).digest('hex')
}

function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`)
}

function writeNew(path: string, bytes: Buffer, options: WriteOptions): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    writeAll(fd, bytes)
    fchmodSync(fd, options.mode)
    if (options.fsync) fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** The old generation becomes `.bak` by a second link, so that `path` is there at every moment. */
function backUp(path: string): void {
  const link = temporaryBeside(`${path}.bak`)
  try {
    linkSync(path, link)
    renameSync(link, `${path}.bak`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    // No hard links on this file system: for a moment only the backup is there, and readers look for it.
    renameSync(path, `${path}.bak`)
  } finally {
    // Renaming one link of a file onto another of the same file does nothing and leaves both.
    rmSync(link, { force: true })
  }
}

function readAll(fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let done = 0
  while (done < size) {
    const count = readSync(fd, bytes, done, size - done, done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}
