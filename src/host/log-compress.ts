/**
 * Turns archives `<start>.log` into `<start>.log.zst` of the same bytes: written beside, made durable,
 * renamed, and only then the plain one goes. Two at it at once do no harm; a kill leaves the plain one. Only
 * archives that the origin says are no longer in the live file are touched.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { syncDir, writeAll } from './atomic-file.ts'
import { archivesOf, type LogArchive, listDir } from './log-archive.ts'
import { readOrigin } from './log-origin.ts'
import { archiveDir, openToRead, readAt } from './log-paths.ts'
import { FRAME_BYTES, packFrame, seekTable } from './seekable-zstd.ts'

const YOUNG_MS = 5_000
const ABANDONED_MS = 10 * 60_000

/** false: some archives are too young or could not be compressed yet. Throws on a full disk. */
export function compressLogs(logs: string, nowMs: number, youngMs = YOUNG_MS): boolean {
  let all = true
  for (const entry of readdirSync(logs, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    removeAbandoned(archiveDir(logs, entry.name), nowMs)
    const origin = readOrigin(logs, entry.name)
    for (const archive of archivesOf(logs, entry.name)) {
      if (archive.packed) continue
      const isOut = origin?.phase === 'settled' && archive.start < origin.kept
      const isYoung = Math.abs(nowMs - archive.timeMs) < youngMs
      if (!isOut || isYoung || !compress(archive)) all = false
    }
  }
  return all
}

/** false: it is gone, or grew meanwhile. */
function compress(archive: LogArchive): boolean {
  const source = openToRead(archive.path)
  if (source === null) return false
  const temporary = `${archive.path}.zst.${process.pid}.tmp`
  try {
    const before = fstatSync(source)
    write(temporary, source, before.size, before.mtime)
    const now = lstatSync(archive.path, { throwIfNoEntry: false })
    if (now?.ino !== before.ino || now.size !== before.size || now.mtimeMs !== before.mtimeMs) return false
    renameSync(temporary, `${archive.path}.zst`)
    syncDir(join(archive.path, '..'))
    rmSync(archive.path, { force: true })
    return true
  } finally {
    closeSync(source)
    rmSync(temporary, { force: true })
  }
}

function write(path: string, source: number, size: number, time: Date): void {
  const target = openSync(path, 'wx', 0o640)
  try {
    const frames: { storedBytes: number; bytes: number }[] = []
    for (let at = 0; at < size; ) {
      const bytes = readAt(source, at, Math.min(FRAME_BYTES, size - at))
      if (bytes.length === 0) throw new Error('The archive became shorter.')
      const frame = packFrame(bytes)
      writeAll(target, frame)
      frames.push({ storedBytes: frame.length, bytes: bytes.length })
      at += bytes.length
    }
    writeAll(target, seekTable(frames))
    // `--since` goes by it.
    futimesSync(target, time, time)
    fsyncSync(target)
  } finally {
    closeSync(target)
  }
}

function removeAbandoned(dir: string, nowMs: number): void {
  for (const name of listDir(dir)) {
    if (!/\.zst\.\d+\.tmp$/.test(name)) continue
    const stat = lstatSync(join(dir, name), { throwIfNoEntry: false })
    if (stat && nowMs - stat.mtimeMs > ABANDONED_MS) rmSync(join(dir, name), { force: true })
  }
}
