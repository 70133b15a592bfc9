/**
 * Reads the journal from disk, without the keeper: across rolled segments, in order, each number once. A torn
 * end is left for the next reading, a damaged line is skipped. Changes nothing. Remembers where it stopped,
 * so that asking again for what is new reads only that.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { FleetEvent } from '../core/view.ts'
import { decodeRecord, isMark, segmentsAmong } from './journal-record.ts'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'

export interface JournalPage {
  /** '' while there is no journal. Another id than before: another journal, read it from 0. */
  readonly journalId: string
  readonly events: FleetEvent[]
}

const CHUNK_BYTES = 256 * 1024
const LINE_MAX_BYTES = 1024 * 1024
const PLACES_MAX = 16

/** Where in a segment (by device and inode) the record after `seq` begins. */
interface Place {
  readonly seq: number
  readonly at: number
  readonly journalId: string
}
const places = new Map<string, Place>()

/** At most `limit` events with seq > `afterSeq`, oldest first. Throws HostShortage when it could not look. */
export function readJournal(path: string, afterSeq: number, limit: number): JournalPage {
  const page = { journalId: '', events: [] as FleetEvent[] }
  // The live segment is opened before the others are listed: if it is rolled meanwhile it is read twice, not
  // never.
  const live = openSegment(path)
  try {
    for (const segment of rolledAfter(path, afterSeq)) {
      if (page.events.length >= limit) break
      const fd = openSegment(join(dirname(path), segment))
      if (fd === null) continue
      try {
        readSegment(fd, afterSeq, limit, page)
      } finally {
        closeSync(fd)
      }
    }
    if (live !== null) readSegment(live, afterSeq, limit, page)
    return page
  } finally {
    if (live !== null) closeSync(live)
  }
}

function rolledAfter(path: string, afterSeq: number): string[] {
  let names: string[]
  try {
    names = readdirSync(dirname(path))
  } catch {
    return []
  }
  const segments = segmentsAmong(names, basename(path))
  // A segment ends before the next one begins; the newest may still hold what is asked for.
  const wanted = segments.filter((_, index) => (segments[index + 1]?.firstSeq ?? Infinity) > afterSeq + 1)
  return wanted.map(segment => segment.name)
}

function readSegment(
  fd: number,
  afterSeq: number,
  limit: number,
  page: { journalId: string; events: FleetEvent[] },
): void {
  const stat = fstatSync(fd)
  const key = `${stat.dev}:${stat.ino}`
  const start = startIn(fd, key, afterSeq, stat.size)
  page.journalId = start.journalId || page.journalId
  let lastSeq = Math.max(afterSeq, page.events.at(-1)?.seq ?? 0)
  let place: Place | null = null
  eachLine(fd, start.at, (line, end) => {
    const record = decodeRecord(line)
    if (record === null) return true
    page.journalId = record.journal_id
    if (isMark(record)) return true
    if (record.seq > lastSeq) {
      if (page.events.length >= limit) return false
      page.events.push(record)
      lastSeq = record.seq
    }
    place = { seq: record.seq, at: end, journalId: record.journal_id }
    return true
  })
  if (place) remember(key, place)
}

/** `take` gets each complete line and the offset after its newline; false ends the reading. */
function eachLine(fd: number, from: number, take: (line: Buffer, end: number) => boolean): void {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  let rest: Buffer = Buffer.alloc(0)
  let restAt = from
  for (let at = from; ; ) {
    const count = readSync(fd, chunk, 0, chunk.length, at)
    if (count === 0) return
    at += count
    const bytes = Buffer.concat([rest, chunk.subarray(0, count)])
    let done = 0
    for (let newline = bytes.indexOf(10); newline >= 0; newline = bytes.indexOf(10, done)) {
      const line = bytes.subarray(done, newline)
      done = newline + 1
      if (!take(line, restAt + done)) return
    }
    restAt += done
    rest = bytes.subarray(done)
    // No record is that long: damage, whose end will not fit a checksum either.
    if (rest.length > LINE_MAX_BYTES) {
      restAt += rest.length
      rest = Buffer.alloc(0)
    }
  }
}

const BEGINNING: Place = { seq: 0, at: 0, journalId: '' }

function startIn(fd: number, key: string, afterSeq: number, size: number): Place {
  const place = places.get(key)
  if (!place || place.seq > afterSeq || place.at > size) return BEGINNING
  // The file may be another one under a used inode, or have been repaired: a record must end just there.
  const window = Buffer.alloc(Math.min(place.at, 64 * 1024))
  readSync(fd, window, 0, window.length, place.at - window.length)
  const begin = window.lastIndexOf(10, window.length - 2) + 1
  const record = window.at(-1) === 10 ? decodeRecord(window.subarray(begin, -1)) : null
  const same =
    record !== null && !isMark(record) && record.seq === place.seq && record.journal_id === place.journalId
  return same ? place : BEGINNING
}

function remember(key: string, place: Place): void {
  places.delete(key)
  places.set(key, place)
  if (places.size > PLACES_MAX) places.delete(places.keys().next().value as string)
}

function openSegment(path: string): number | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (fstatSync(fd).isFile()) return fd
    closeSync(fd)
    return null
  } catch (error) {
    if (isShortage(error)) throw new HostShortage(`to open ${path}`, errnoOf(error) ?? 'EMFILE')
    return null
  }
}
