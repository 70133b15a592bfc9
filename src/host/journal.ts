/**
 * The keeper's append-only record of what happened. Each event is written at once (those that are
 * gathered, at the next settle) and survives kill -9; fsync follows for all of the last 50 ms. If the
 * disk refuses, events wait in bounded memory and `durable` says so. A (journal_id, seq) is never given
 * twice: after a reboot or a repair the numbers jump over what may be lost. Never deletes a damaged file,
 * never blocks the keeper on fsync except in flush, roll and close.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Instant } from '../core/time.ts'
import type { FleetEvent } from '../core/view.ts'
import { readRegularFile, setAside } from './atomic-file.ts'
import { decodeRecord, encodeRecord, isMark, segmentsAmong } from './journal-record.ts'
import { JournalRoom } from './journal-room.ts'
import type { FileCalls } from './libc-files.ts'
import { bootId } from './proc.ts'
import { HostShortage } from './shortage.ts'
import { ulid } from './ulid.ts'

export type NewEvent = Omit<FleetEvent, 'journal_id' | 'seq'>

const SYNC_WITHIN_MS = 50
const RETRY_MS = 1000
const SEGMENT_MAX_BYTES = 4 * 1024 * 1024
const ROLL_AGAIN_BYTES = 256 * 1024
const SEGMENTS_KEPT = 8
/** 1 GB: beyond it the oldest goes even if no daemon ever read it. */
const SEGMENTS_MAX = 256
const BACKLOG_MAX = 10_000
const EXITS_MAX = 1_000
/** More than can be lost at once, see BACKLOG_MAX. */
const SEQ_JUMP = 100_000

export class Journal {
  /** What opening had to cut off or skip; null when nothing. */
  repaired: { readonly bytes: number; readonly records: number } | null = null
  /** false while something is only in memory. */
  durable = true
  /** Events that were lost because the backlog was full. */
  dropped = 0
  lastSeq = 0
  journalId = ''
  /** The newest `exited` events by run_id (at most 1,000), from this segment and the one before. */
  readonly exits = new Map<string, FleetEvent>()

  readonly #path: string
  readonly #room: JournalRoom
  #rollAtBytes = SEGMENT_MAX_BYTES
  #fd: number | null = null
  #sizeBytes = 0
  #firstSeq = 1
  #bootId = ''
  #cursor = 0
  /** Written but not yet fsynced: written again elsewhere if fsync fails. */
  #unsynced: Buffer[] = []
  /** Of those, what an fsync under way covers. */
  #syncing: Buffer[] = []
  #backlog: Buffer[] = []
  #gathering = false
  /** Encoded when they are written: a restart waits for no encoding. */
  readonly #gathered: FleetEvent[] = []
  #timer: NodeJS.Timeout | null = null
  #timerMs = 0
  /** A fragment without its newline could not be cut off. */
  #torn = false

  private constructor(path: string, calls: Pick<FileCalls, 'allocateAhead'> | null) {
    this.#path = path
    this.#room = new JournalRoom(path, calls)
  }

  /**
   * Opens or creates; repairs what a crash tore. `calls`: keeps room ahead, so that a full disk refuses
   * nothing for a while. Throws only HostShortage, when it could not look.
   */
  static open(path: string, now: Instant, calls: Pick<FileCalls, 'allocateAhead'> | null = null): Journal {
    const journal = new Journal(path, calls)
    journal.#recall(now)
    journal.#openFile()
    journal.#await(journal.#mark())
    journal.#drain()
    return journal
  }

  /** Numbers an event and writes it. Never throws for the disk's sake. */
  append(event: NewEvent): FleetEvent {
    const numbered: FleetEvent = { journal_id: this.journalId, seq: ++this.lastSeq, ...event }
    this.#remember(numbered)
    this.#gathered.push(numbered)
    if (!this.#gathering) this.settle()
    return numbered
  }

  /** Events wait in memory until `settle` writes them together. */
  gather(): void {
    this.#gathering = true
  }

  settle(): void {
    this.#gathering = false
    this.#drain()
    if (this.#sizeBytes > this.#rollAtBytes) this.#roll()
  }

  /** Writes what waits and fsyncs now. */
  flush(): void {
    this.#drain()
    if (this.#fd === null || this.#syncing.length + this.#unsynced.length === 0) return
    try {
      fdatasyncSync(this.#fd)
      this.#syncing = []
      this.#unsynced = []
    } catch {
      this.#syncFailed()
    }
  }

  /** Segments up to this number are in the archive; older ones than the newest eight may go. */
  setCursor(seq: number): void {
    this.#cursor = seq
  }

  close(): void {
    this.flush()
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  /** Reads the newest segment that tells the journal's name, and from it the last number and the exits. */
  #recall(now: Instant): void {
    this.#bootId = bootId()
    const rolled = this.#segments().reverse()
    this.lastSeq = (rolled[0]?.firstSeq ?? 1) - 1
    const previous = rolled[0] ? this.#scan(join(dirname(this.#path), rolled[0].name), false) : null
    const current = this.#scan(this.#path, true)
    const last = current?.journalId ? current : previous
    this.journalId = last?.journalId ?? ulid(now.wallMs, randomBytes)
    const lostPossible = this.repaired !== null || current === null || last?.bootId !== this.#bootId
    if (last !== null && lostPossible) this.lastSeq += SEQ_JUMP
    this.#firstSeq = current?.firstSeq ?? this.lastSeq + 1
  }

  /** One segment's story; `repair`: cut off its torn tail. null when it is not there or not a file. */
  #scan(
    path: string,
    repair: boolean,
  ): { journalId: string | null; bootId: string; firstSeq: number | null } | null {
    const bytes = this.#readSegment(path, repair)
    if (bytes === null) return null
    const story = { journalId: null as string | null, bootId: '', firstSeq: null as number | null }
    let damaged = 0
    let damagedBeforeEnd = 0
    let goodEnd = 0
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(10, at)
      const end = newline < 0 ? bytes.length : newline
      const record = newline < 0 ? null : decodeRecord(bytes.subarray(at, end))
      if (record === null) {
        if (end > at) damaged++
      } else {
        const seq = isMark(record) ? record.next_seq - 1 : record.seq
        story.journalId = record.journal_id
        story.firstSeq ??= isMark(record) ? record.next_seq : record.seq
        if (isMark(record)) story.bootId = record.boot_id
        else this.#remember(record)
        this.lastSeq = Math.max(this.lastSeq, seq)
        damagedBeforeEnd = damaged
        goodEnd = end + 1
      }
      at = end + 1
    }
    if (repair) this.#repair(path, bytes.length - goodEnd, goodEnd, damagedBeforeEnd)
    return story
  }

  #repair(path: string, tornBytes: number, goodEnd: number, records: number): void {
    if (tornBytes === 0 && records === 0) return
    this.repaired = { bytes: tornBytes, records }
    if (tornBytes === 0) return
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
      ftruncateSync(fd, goodEnd)
      closeSync(fd)
    } catch {
      this.#torn = true
    }
  }

  #readSegment(path: string, repair: boolean): Buffer | null {
    try {
      return readRegularFile(path)
    } catch (error) {
      if (error instanceof HostShortage) throw error
      if (repair) {
        setAside(path)
        this.repaired = { bytes: 0, records: 0 }
      }
      return null
    }
  }

  #remember(event: FleetEvent): void {
    if (event.kind !== 'exited' || event.run_id === null) return
    this.exits.set(event.run_id, event)
    if (this.exits.size > EXITS_MAX) this.exits.delete(this.exits.keys().next().value as string)
  }

  #mark(): Buffer {
    const { journalId, lastSeq } = this
    return encodeRecord({ journal: 1, journal_id: journalId, next_seq: lastSeq + 1, boot_id: this.#bootId })
  }

  #openFile(): boolean {
    const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants
    try {
      this.#fd = openSync(this.#path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600)
      this.#sizeBytes = fstatSync(this.#fd).size
      this.#room.opened(this.#fd, this.#sizeBytes)
      return true
    } catch {
      this.durable = false
      return false
    }
  }

  #await(line: Buffer): void {
    this.#backlog.push(line)
    if (this.#backlog.length > BACKLOG_MAX) {
      this.#backlog.shift()
      this.dropped++
    }
  }

  /** Writes the backlog in order until the disk refuses; then it is tried again in a second. */
  #drain(): void {
    for (const event of this.#gathered.splice(0)) this.#await(encodeRecord(event))
    if (this.#backlog.length === 0) return
    let written = 0
    if (this.#fd !== null || this.#openFile()) {
      // Together if possible: one call for all. Line by line shows how far a full disk lets them.
      if (this.#backlog.length > 1 && this.#writeLine(Buffer.concat(this.#backlog)))
        written = this.#backlog.length
      while (written < this.#backlog.length && this.#writeLine(this.#backlog[written] as Buffer)) written++
    }
    this.#unsynced.push(...this.#backlog.splice(0, written))
    if (this.#unsynced.length > BACKLOG_MAX) this.#unsynced = this.#unsynced.slice(-BACKLOG_MAX)
    this.durable = this.#backlog.length === 0
    if (!this.durable) this.#syncIn(RETRY_MS)
    else if (this.#unsynced.length > 0) this.#syncIn(SYNC_WITHIN_MS)
  }

  #writeLine(line: Buffer): boolean {
    const fd = this.#fd as number
    const bytes = this.#torn ? Buffer.concat([Buffer.from('\n'), line]) : line
    let done = 0
    try {
      while (done < bytes.length) done += writeSync(fd, bytes, done)
      this.#torn = false
      this.#sizeBytes += done
      this.#room.grown(fd, this.#sizeBytes)
      return true
    } catch {
      if (done > 0) this.#cutFragment(fd, done)
      return false
    }
  }

  #cutFragment(fd: number, length: number): void {
    try {
      ftruncateSync(fd, this.#sizeBytes)
    } catch {
      this.#torn = true
      this.#sizeBytes += length
    }
  }

  #syncIn(ms: number): void {
    if (this.#timer !== null && this.#timerMs <= ms) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#sync(), ms)
    this.#timer.unref()
    this.#timerMs = ms
  }

  #sync(): void {
    this.#timer = null
    if (this.#backlog.length > 0) this.#drain()
    const fd = this.#fd
    if (fd === null || this.#unsynced.length === 0) return
    if (this.#syncing.length > 0) {
      this.#syncIn(SYNC_WITHIN_MS)
      return
    }
    const batch = this.#unsynced
    this.#syncing = batch
    this.#unsynced = []
    fdatasync(fd, error => {
      // A flush or a roll was faster and settled these already.
      if (this.#syncing !== batch) return
      if (error) this.#syncFailed()
      else this.#syncing = []
    })
  }

  /**
   * After a failed fsync the kernel may have dropped the pages and would call the next fsync a success: what
   * is not proven on disk is written again, to a new file. Readers skip numbers that they have.
   */
  #syncFailed(): void {
    this.durable = false
    this.#backlog = [...this.#syncing, ...this.#unsynced, ...this.#backlog].slice(-BACKLOG_MAX)
    this.#syncing = []
    this.#unsynced = []
    this.#renameSegment()
    this.#syncIn(RETRY_MS)
  }

  #roll(): void {
    this.flush()
    if (!this.durable) return
    // Without room for the next segment this one goes on: it may have some left.
    this.#rollAtBytes = this.#sizeBytes + ROLL_AGAIN_BYTES
    if (!this.#room.prepareNext()) return this.#prune()
    this.#room.leave(this.#fd, this.#sizeBytes)
    this.#renameSegment()
    this.#room.takeNext()
    this.#rollAtBytes = SEGMENT_MAX_BYTES
    this.#await(this.#mark())
    this.#drain()
    this.#prune()
  }

  #renameSegment(): void {
    try {
      renameSync(this.#path, `${this.#path}.${this.#firstSeq}`)
    } catch {
      return
    }
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
    this.#torn = false
    this.#firstSeq = this.lastSeq + 1
  }

  #prune(): void {
    const segments = this.#segments()
    for (const [index, segment] of segments.entries()) {
      const newer = segments.length - index
      const lastSeq = (segments[index + 1]?.firstSeq ?? this.#firstSeq) - 1
      if (newer <= SEGMENTS_KEPT || (lastSeq > this.#cursor && newer <= SEGMENTS_MAX)) return
      rmSync(join(dirname(this.#path), segment.name), { force: true })
    }
  }

  #segments(): { name: string; firstSeq: number }[] {
    try {
      return segmentsAmong(readdirSync(dirname(this.#path)), basename(this.#path))
    } catch {
      return []
    }
  }
}
