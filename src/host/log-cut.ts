/**
 * Cuts the front off a module's live file while the module writes on: archives it, or on a full disk counts
 * what is lost. Promises that a kill at any instant loses, doubles, tears and reorders nothing of what was
 * archived, and that every offset stays what it was. Waits for the disk outside the event loop's thread. One
 * cut of a module at a time: the ring sees to it.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, constants, fdatasync, mkdirSync, renameSync, rmSync, statfsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { FileCalls } from './libc-files.ts'
import { archiveName } from './log-archive.ts'
import { lookAtLive } from './log-front.ts'
import { type LogOrigin, MARKER_BYTES, markerOf, openOrigin, putOrigin, settledAt } from './log-origin.ts'
import { archiveDir, livePath, readAt } from './log-paths.ts'
import { settleLog } from './log-settle.ts'
import { errnoOf } from './shortage.ts'

export type RingMode = 'collapse' | 'punch'

export interface CutRequest {
  readonly logs: string
  readonly module: string
  readonly mode: RingMode
  /** What stays in the live file, in bytes; a little more does, as cuts go by blocks. */
  readonly leaveBytes: number
  /** Cut without an archive and count what is lost: the disk is full. At most this many bytes. */
  readonly dropBytes?: number
  readonly calls: Pick<FileCalls, 'collapseFront' | 'punchHole'>
  /** Told each step as it is done: for tests that end the process there. */
  readonly reached?: (step: CutStep) => void
}

export type CutStep = 'copied' | 'archived' | 'marking' | 'marked' | 'cutting' | 'cut' | 'settled'

/** What a full disk cost: logical range, and the lines that begin in it. */
export interface DroppedLog {
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly lines: number
}

export type CutOutcome =
  | { readonly kind: 'cut'; readonly bytes: number }
  | { readonly kind: 'dropped'; readonly dropped: DroppedLog }
  /** `nothing`: too little to cut; `moved`: rotated meanwhile; `full`: no room for the archive. */
  | { readonly kind: 'nothing' | 'moved' | 'full' | 'unsupported' }

const SLICE_BYTES = 1024 * 1024
const LINE_SEARCH_BYTES = 64 * 1024
/** A multiple of what file systems with large clusters cut by. */
const UNIT_BYTES = 64 * 1024
const dataSync = promisify(fdatasync)

interface Work {
  readonly request: CutRequest
  readonly live: FileHandle
  readonly origin: LogOrigin
  readonly inode: number
  /** Logical: where the live file will begin, and from where it will be read. */
  readonly nextBase: number
  readonly nextKept: number
}

/** Throws what the file system says when it is neither full nor unable; the log is then at rest. */
export async function cutFront(request: CutRequest): Promise<CutOutcome> {
  const live = await openLive(request)
  if (live === null) return { kind: 'moved' }
  try {
    const work = planOf(request, live)
    if (typeof work === 'string') return { kind: work }
    if (request.dropBytes !== undefined) return await drop(work)
    const copied = await copyOut(work)
    if (copied !== 'done') return { kind: copied }
    const outcome = await commit(work)
    if (outcome !== 'done') return { kind: outcome }
    return { kind: 'cut', bytes: work.nextKept - work.origin.kept }
  } finally {
    await live.close()
  }
}

async function openLive({ logs, module }: Pick<CutRequest, 'logs' | 'module'>): Promise<FileHandle | null> {
  const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    return await open(livePath(logs, module), O_RDWR | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

function planOf(request: CutRequest, live: FileHandle): Work | 'nothing' | 'moved' {
  const { front, stat } = lookAtLive(request.logs, request.module)
  const { origin } = front
  if (stat === null || origin?.phase !== 'settled' || origin.counter === 0) return 'moved'
  const unit = unitOf(request, stat.size)
  const most = stat.size - request.leaveBytes
  const hole = request.mode === 'punch' ? origin.kept - origin.base : 0
  const wanted = Math.min(most, hole + (request.dropBytes ?? Number.POSITIVE_INFINITY))
  const length = Math.floor(wanted / unit) * unit
  const cutAt = origin.base + length
  if (length <= 0 || cutAt <= origin.kept) return 'nothing'
  const nextBase = request.mode === 'punch' ? origin.base : cutAt
  return {
    request,
    live,
    origin,
    inode: stat.ino,
    nextBase,
    nextKept: lineStart(live.fd, length) + origin.base,
  }
}

function unitOf({ logs }: CutRequest, size: number): number {
  const block = statfsSync(logs).bsize
  return size >= 16 * UNIT_BYTES ? Math.max(UNIT_BYTES, block) : block
}

/**
 * Physical start of the first line at or after `at`, so archives and gaps end with a line; `at` itself in
 * the midst of a very long one.
 */
function lineStart(fd: number, at: number): number {
  const bytes = readAt(fd, at - 1, LINE_SEARCH_BYTES)
  const newline = bytes.indexOf(10)
  return newline < 0 ? at : at + newline
}

/** Copies [kept, nextKept) into its archive and makes it durable. */
async function copyOut(work: Work): Promise<'done' | 'full' | 'moved'> {
  const { request, origin, nextKept } = work
  const dir = archiveDir(request.logs, request.module)
  const path = archiveOf(work)
  const temporary = `${path}.tmp`
  try {
    mkdirSync(dir, { recursive: true, mode: 0o750 })
    const archive = await open(temporary, 'w', 0o640)
    try {
      await eachSlice(work, (bytes, at) => writeWhole(archive, bytes, at - origin.kept))
      if ((await archive.stat()).size !== nextKept - origin.kept) throw new Error('The log became shorter.')
      await archive.datasync()
    } finally {
      await archive.close()
    }
    request.reached?.('copied')
    // What another took for its archive meanwhile must not be replaced.
    if (!isCurrent(work)) {
      rmSync(temporary, { force: true })
      return 'moved'
    }
    renameSync(temporary, path)
    await syncDirectory(dir)
    request.reached?.('archived')
    return 'done'
  } catch (error) {
    rmSync(temporary, { force: true })
    if (isFull(error)) return 'full'
    throw error
  }
}

function archiveOf({ request, origin }: Work): string {
  return join(archiveDir(request.logs, request.module), archiveName(origin.kept))
}

/** The live file is the one looked at, at rest, and nobody has emptied it. */
function isCurrent({ request, origin, inode, nextKept }: Work): boolean {
  const { front, stat, end } = lookAtLive(request.logs, request.module)
  return front.origin?.counter === origin.counter && stat?.ino === inode && end >= nextKept
}

async function drop(work: Work): Promise<CutOutcome> {
  const { origin, nextKept } = work
  let lines = 0
  let last = 10
  await eachSlice(work, async bytes => {
    lines += countNewlines(bytes)
    last = bytes.at(-1) ?? last
  })
  // A line longer than the search is torn, and lost.
  if (last !== 10) lines++
  const outcome = await commit(work)
  if (outcome !== 'done') return { kind: outcome }
  const dropped = { from: origin.kept, to: nextKept, bytes: nextKept - origin.kept, lines }
  return { kind: 'dropped', dropped }
}

async function eachSlice(work: Work, take: (bytes: Buffer, at: number) => Promise<void>): Promise<void> {
  const { live, origin, nextKept } = work
  const buffer = Buffer.allocUnsafe(Math.min(SLICE_BYTES, nextKept - origin.kept))
  for (let at = origin.kept; at < nextKept; ) {
    const length = Math.min(buffer.length, nextKept - at)
    const { bytesRead } = await live.read(buffer, 0, length, at - origin.base)
    if (bytesRead === 0) return
    await take(buffer.subarray(0, bytesRead), at)
    at += bytesRead
  }
}

/** From here to the end the record says at every instant what is where. */
async function commit(work: Work): Promise<'done' | 'moved' | 'unsupported' | 'full'> {
  const { request } = work
  const record = openOrigin(request.logs, request.module)
  try {
    // Up to the first record nothing waits: nobody else of this process comes between.
    if (!isCurrent(work)) return 'moved'
    if (request.mode === 'punch') return await punch(work, record)
    const result = await collapse(work, record).catch((error: Error) => error)
    if (result === 'done') return 'done'
    if (settleLog(request.logs, request.module).kept >= work.nextKept) return 'done'
    rmSync(archiveOf(work), { force: true })
    if (result instanceof Error) throw result
    return result
  } finally {
    closeSync(record)
  }
}

async function collapse(work: Work, record: number): Promise<'done' | 'unsupported' | 'full'> {
  const { request, live, origin, nextBase, nextKept } = work
  const saved = readAt(live.fd, 0, MARKER_BYTES).toString('base64url')
  const nonce = randomBytes(16).toString('hex')
  const counter = origin.counter + 1
  const marking: LogOrigin = { ...origin, counter, phase: 'marking', nextBase, nextKept, nonce, saved }
  putOrigin(record, marking)
  request.reached?.('marking')
  await writeMarker(request, marking)
  request.reached?.('marked')
  putOrigin(record, { ...marking, phase: 'cutting' })
  await dataSync(record)
  request.reached?.('cutting')
  const result = await request.calls.collapseFront(live.fd, nextBase - origin.base)
  if (result !== 'done') return result
  request.reached?.('cut')
  putOrigin(record, settledAt(origin.counter + 2, nextBase, nextKept))
  request.reached?.('settled')
  return 'done'
}

/** Durable, and nothing but it: what the cut removes need not reach the disk any more. */
async function writeMarker({ logs, module }: CutRequest, marking: LogOrigin): Promise<void> {
  const { O_WRONLY, O_DSYNC, O_NOFOLLOW, O_NONBLOCK } = constants
  const synced = await open(livePath(logs, module), O_WRONLY | O_DSYNC | O_NOFOLLOW | O_NONBLOCK)
  try {
    await synced.write(markerOf(marking), 0, MARKER_BYTES, 0)
  } finally {
    await synced.close()
  }
}

/** Offsets stay; what the record says to be archived is given back. */
async function punch(work: Work, record: number): Promise<'done'> {
  const { request, live, origin, nextKept } = work
  putOrigin(record, settledAt(origin.counter + 2, origin.base, nextKept))
  await dataSync(record)
  request.reached?.('settled')
  // Not given back now, it is at the next cut: the hole always begins at the front.
  await punchHole(request, live, nextKept - origin.base)
  request.reached?.('cut')
  return 'done'
}

/** Gives back what the record says to be archived; a kill may have come between. */
export async function punchFront(request: Pick<CutRequest, 'logs' | 'module' | 'calls'>): Promise<void> {
  const { front } = lookAtLive(request.logs, request.module)
  const live = front.origin?.phase === 'settled' ? await openLive(request) : null
  if (live === null) return
  try {
    await punchHole(request, live, front.seam - front.base)
  } finally {
    await live.close()
  }
}

async function punchHole(
  { logs, calls }: Pick<CutRequest, 'logs' | 'calls'>,
  live: FileHandle,
  bytes: number,
): Promise<void> {
  const block = statfsSync(logs).bsize
  const length = Math.floor(bytes / block) * block
  if (length > 0) await calls.punchHole(live.fd, 0, length)
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}

export function countNewlines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++
  return lines
}

function isFull(error: unknown): boolean {
  return errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT'
}
