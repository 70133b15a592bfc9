/**
 * Keeps every module's log within bounds while the module writes to it: cuts the front off past max_size,
 * keeps `reserve` bytes allocated ahead, enforces keep and quota, and on a full disk gives up the oldest and
 * counts it. Looks when LogClock does, sooner only while a log grows so fast that it must. One cut a module,
 * two in all. Never throws, never blocks the loop for a disk, never touches what a module is writing.
 */
import type { LogSpec } from '../core/plan.ts'
import { closeSync, constants, fstatSync, openSync, type Stats, statfsSync, statSync } from 'node:fs'
import type { FileCalls } from './libc-files.ts'
import { ArchiveReader, archivesOf, type LogArchive, pruneArchives, removeArchive } from './log-archive.ts'
import {
  type CutOutcome,
  type CutStep,
  countNewlines,
  cutFront,
  type DroppedLog,
  punchFront,
} from './log-cut.ts'
import { livePath } from './log-paths.ts'
import type { LogPress } from './log-press.ts'
import { ringOf, type RotationWay } from './log-probe.ts'
import { writeOrigin, settledAt, type LogOrigin } from './log-origin.ts'
import { removeLeftOvers, settleLog } from './log-settle.ts'

export interface RingOptions {
  /** null: koffi is absent; logs are then renamed at the next run. */
  readonly calls: FileCalls | null
  readonly monoMs: () => number
  readonly wallMs: () => number
  /** Archives that ended longer ago go; null or absent: none do. */
  readonly retentionMs?: () => number | null
  /** Compresses archives later; absent: they stay as they are. */
  readonly press?: LogPress
  /** What a full disk cost, for the journal. */
  readonly onDropped?: (module: string, dropped: DroppedLog) => void
  /** What keeps a log from being bounded; null: all is well again. Told when it changes. */
  readonly onTrouble?: (module: string, why: string | null) => void
  readonly reached?: (step: CutStep) => void
}

interface RingLog {
  readonly module: string
  spec: LogSpec
  /** null: not looked at since the ring took it over. */
  origin: LogOrigin | null
  sizeBytes: number
  mtimeMs: number
  lookedMs: number
  /** Bytes a ms. */
  growth: number
  busy: boolean
  live: boolean
  restUntilMs: number
  /** Its hole was made, or seen to be there, since the ring took it over. */
  isPunched: boolean
  why: string | null
}

const TAIL_BYTES = 256 * 1024
const CUTS_AT_ONCE = 2
const SOONEST_MS = 25
const LOOK_MS = 1000
const REST_MS = 10_000
/** With so much free, the reserve is refilled at the usual looks only: nobody fills it between two. */
const ROOMY_BYTES = 1024 ** 3
const RELIEVE_TRIES = 8

export class LogRing {
  readonly #logs: string
  readonly #options: RingOptions
  readonly #followed = new Map<string, RingLog>()
  readonly #waiting = new Set<RingLog>()
  readonly #under = new Set<Promise<void>>()
  #way: RotationWay | null = null
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(logs: string, options: RingOptions) {
    this.#logs = logs
    this.#options = options
  }

  /** The module's log is the ring's from now on: a new run's or an adopted one's. */
  follow(module: string, spec: LogSpec): void {
    const known = this.#followed.get(module)
    if (known) {
      known.spec = spec
      known.live = true
      return
    }
    const fresh = { sizeBytes: -1, mtimeMs: 0, lookedMs: 0, growth: 0, busy: false, live: true, why: null }
    const rest = { origin: null, restUntilMs: 0, isPunched: false }
    this.#followed.set(module, { module, spec, ...rest, ...fresh })
  }

  /** No run writes to it any more: looked at once more at the next tick, then left if none does by then. */
  unfollow(module: string): void {
    const log = this.#followed.get(module)
    if (log) log.live = false
  }

  /**
   * Where the live file's first byte stands in all that was ever written; null while that is changing, or
   * where the ring does not keep this log within its bounds.
   */
  restingBase(module: string): number | null {
    const log = this.#followed.get(module)
    if (!log || log.busy || log.origin?.phase !== 'settled' || !this.#mayCut(log)) return null
    return log.origin.base
  }

  /**
   * Once a second, and sooner when the ring itself says so. `stats`: of the logs worth a look; without it the
   * ring looks at all.
   */
  tick(stats?: ReadonlyMap<string, Stats>): void {
    if (this.#closed) return
    this.#way ??= this.#probe()
    let soonest = LOOK_MS
    for (const log of this.#followed.values()) {
      const stat = stats?.get(log.module)
      if (stats && !stat && log.live && log.origin !== null) continue
      soonest = Math.min(soonest, this.#look(log, stat))
      if (!log.live && !log.busy) this.#followed.delete(log.module)
    }
    this.#options.press?.tick()
    if (soonest >= LOOK_MS || this.#timer) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.tick()
    }, soonest).unref()
  }

  /** Resolves when no cut is under way. */
  async idle(): Promise<void> {
    while (this.#under.size > 0) await Promise.all(this.#under)
  }

  /** Begins nothing more; what is under way comes to its end, or is taken back by the next keeper. */
  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#waiting.clear()
    this.#options.press?.close()
  }

  #probe(): RotationWay {
    const { calls } = this.#options
    this.#run(async () => {
      this.#way = calls === null ? 'rename' : await ringOf(this.#logs, calls).catch(() => 'rename' as const)
    })
    return 'probing'
  }

  /** In how many ms it wants to be looked at again, at most. */
  #look(log: RingLog, known?: Stats): number {
    if (log.busy) return LOOK_MS
    try {
      if (log.origin === null) this.#takeOver(log)
      const stat = known ?? statSync(livePath(this.#logs, log.module), { throwIfNoEntry: false })
      if (!stat?.isFile()) return LOOK_MS
      return this.#judge(log, stat)
    } catch (error) {
      this.#trouble(log, (error as Error).message)
      return LOOK_MS
    }
  }

  #takeOver(log: RingLog): void {
    log.origin = settleLog(this.#logs, log.module)
    removeLeftOvers(this.#logs, log.module, log.origin)
    this.#prune(log, 0)
    if (archivesOf(this.#logs, log.module).some(({ packed }) => !packed)) this.#options.press?.await(0)
  }

  #judge(log: RingLog, stat: Stats): number {
    const now = this.#options.monoMs()
    if (now < log.restUntilMs || this.#way === 'probing') return LOOK_MS
    if (this.#way === 'punch' && !log.isPunched) return this.#punch(log)
    const isNew = log.sizeBytes < 0
    const grown = stat.size - log.sizeBytes
    if (grown === 0 && stat.mtimeMs === log.mtimeMs) return LOOK_MS
    // After a cut its size says nothing: it goes on growing as before.
    if (!isNew) log.growth = grown > 0 ? grown / Math.max(1, now - log.lookedMs) : 0
    log.sizeBytes = stat.size
    log.mtimeMs = stat.mtimeMs
    log.lookedMs = now
    const live = this.#liveBytes(log, stat)
    if (this.#mayCut(log) && live > log.spec.maxSizeBytes) {
      this.#enqueue(log)
      return LOOK_MS
    }
    const ahead = this.#keepAhead(log, stat, live)
    if (log.growth === 0) return LOOK_MS
    const room = Math.min(
      this.#mayCut(log) ? log.spec.maxSizeBytes - live : Number.POSITIVE_INFINITY,
      this.#freeBytes() > ROOMY_BYTES ? Number.POSITIVE_INFINITY : ahead - log.spec.reserveBytes / 2,
    )
    return Math.max(SOONEST_MS, room / log.growth)
  }

  #punch(log: RingLog): number {
    const calls = this.#options.calls as FileCalls
    log.isPunched = true
    this.#begin(log, () => punchFront({ logs: this.#logs, module: log.module, calls }))
    return LOOK_MS
  }

  /** What the live file holds beyond the archives. Where somebody emptied it, it begins anew there. */
  #liveBytes(log: RingLog, stat: Stats): number {
    let origin = log.origin as LogOrigin
    if (stat.size < origin.kept - origin.base) {
      origin = settledAt(origin.counter + 2, origin.kept, origin.kept)
      writeOrigin(this.#logs, log.module, origin)
      log.origin = origin
    }
    return stat.size - (origin.kept - origin.base)
  }

  #mayCut(log: RingLog): boolean {
    return log.spec.rotate === 'ring' && (this.#way === 'collapse' || this.#way === 'punch')
  }

  /** Bytes allocated beyond the end; refilled when less than half of `reserve` is left. */
  #keepAhead(log: RingLog, stat: Stats, live: number): number {
    const { reserveBytes } = log.spec
    const { calls } = this.#options
    const ahead = stat.blocks * 512 - live
    if (reserveBytes === 0 || calls === null) return Number.POSITIVE_INFINITY
    if (ahead >= reserveBytes / 2) return ahead
    const answer = this.#allocate(log, calls)
    if (answer === 'done') {
      this.#trouble(log, null)
      return reserveBytes
    }
    if (answer === 'unsupported') return Number.POSITIVE_INFINITY
    this.#trouble(log, 'the disk is full: the oldest of this log is given up')
    this.#begin(log, () => this.#makeRoom(log, log.growth > 0))
    return Number.POSITIVE_INFINITY
  }

  #allocate(log: RingLog, calls: FileCalls): ReturnType<FileCalls['allocateAhead']> {
    const { O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants
    const fd = openSync(livePath(this.#logs, log.module), O_WRONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const { size } = fstatSync(fd)
      const answer = calls.allocateAhead(fd, size, log.spec.reserveBytes)
      // What there is is ours, then, and nobody else's.
      for (let part = 2; answer === 'full' && part <= 8; part *= 2) {
        if (calls.allocateAhead(fd, size, Math.floor(log.spec.reserveBytes / part)) === 'done') break
      }
      return answer
    } finally {
      closeSync(fd)
    }
  }

  #enqueue(log: RingLog): void {
    this.#waiting.add(log)
    this.#startWaiting()
  }

  #startWaiting(): void {
    for (const log of this.#waiting) {
      if (this.#under.size >= CUTS_AT_ONCE || this.#closed) return
      this.#waiting.delete(log)
      if (!log.busy) this.#begin(log, () => this.#cut(log))
    }
  }

  /** One work a log at a time; afterwards the record is read anew and the log looked at. */
  #begin(log: RingLog, work: () => Promise<void>): void {
    if (this.#closed) return
    log.busy = true
    this.#run(async () => {
      try {
        await work()
        log.origin = settleLog(this.#logs, log.module)
      } catch (error) {
        log.restUntilMs = this.#options.monoMs() + REST_MS
        this.#trouble(log, (error as Error).message)
        log.origin = null
      }
      log.busy = false
      log.sizeBytes = -1
    })
  }

  #run(work: () => Promise<void>): void {
    const running = work().finally(() => {
      this.#under.delete(running)
      this.#startWaiting()
      if (!this.#closed) this.tick()
    })
    this.#under.add(running)
  }

  async #cut(log: RingLog): Promise<void> {
    const outcome = this.#isTight(log) ? { kind: 'full' as const } : await this.#cutOnce(log)
    if (outcome.kind === 'cut') this.#trouble(log, null)
    if (outcome.kind === 'cut') this.#options.press?.await(outcome.bytes)
    if (outcome.kind === 'unsupported') throw new Error('This file system does not cut a file at its front.')
    if (outcome.kind === 'full') {
      this.#trouble(log, 'the disk is full: the oldest of this log is given up')
      await this.#makeRoom(log, true)
    }
    const { size } = statSync(livePath(this.#logs, log.module))
    this.#prune(log, size)
  }

  #cutOnce(log: RingLog, dropBytes?: number): Promise<CutOutcome> {
    const { calls, reached } = this.#options
    const leaveBytes = Math.min(TAIL_BYTES, Math.floor(log.spec.maxSizeBytes / 2))
    const request = { logs: this.#logs, module: log.module, mode: this.#way as 'collapse', leaveBytes }
    const more = { ...(dropBytes === undefined ? {} : { dropBytes }), ...(reached ? { reached } : {}) }
    return cutFront({ ...request, calls: calls as FileCalls, ...more })
  }

  /** A copy that fills the disk would make the writes of others fail. */
  #isTight(log: RingLog): boolean {
    return this.#freeBytes() < log.sizeBytes + 2 * log.spec.reserveBytes
  }

  #freeBytes(): number {
    const { bavail, bsize, blocks } = statfsSync(this.#logs)
    return blocks > 0 ? bavail * bsize : Number.POSITIVE_INFINITY
  }

  /** Where nothing can be given up, looking again at once would find the same, for ever. */
  async #makeRoom(log: RingLog, mayDrop: boolean): Promise<void> {
    if (!(await this.#relieve(log, mayDrop))) log.restUntilMs = this.#options.monoMs() + LOOK_MS
  }

  /**
   * Gives up the oldest until the reserve is there: archives first, then the live file's front. False: there
   * was nothing to give up.
   */
  async #relieve(log: RingLog, mayDrop: boolean): Promise<boolean> {
    const { calls, onDropped } = this.#options
    const { reserveBytes, maxSizeBytes } = log.spec
    for (let tries = 0; tries < RELIEVE_TRIES && calls !== null; tries++) {
      const { size } = statSync(livePath(this.#logs, log.module))
      const isOver = this.#mayCut(log) && this.#liveBytesOf(log, size) > maxSizeBytes
      if (!isOver && this.#allocate(log, calls) !== 'full') return true
      const oldest = archivesOf(this.#logs, log.module)[0]
      if (oldest && oldest.start < (log.origin as LogOrigin).kept) {
        onDropped?.(log.module, await giveUp(oldest))
        if (isOver && !this.#isTight(log) && (await this.#cutOnce(log)).kind === 'cut') return true
        continue
      }
      if (!mayDrop || !this.#mayCut(log)) return false
      const over = Math.max(0, size - Math.floor((maxSizeBytes * 3) / 4))
      const outcome = await this.#cutOnce(log, Math.max(over, 2 * reserveBytes))
      if (outcome.kind !== 'dropped') return false
      onDropped?.(log.module, outcome.dropped)
    }
    return true
  }

  #liveBytesOf(log: RingLog, size: number): number {
    const { base, kept } = settleLog(this.#logs, log.module)
    return size - (kept - base)
  }

  #prune(log: RingLog, liveBytes: number): void {
    const { retentionMs, wallMs } = this.#options
    const age = retentionMs?.() ?? null
    const { keep, quotaBytes } = log.spec
    const olderThanMs = age === null ? null : wallMs() - age
    pruneArchives(this.#logs, log.module, liveBytes, { keep, quotaBytes, olderThanMs })
  }

  #trouble(log: RingLog, why: string | null): void {
    if (log.why === why) return
    log.why = why
    this.#options.onTrouble?.(log.module, why)
  }
}

/** Removes an archive that there is no room for, and counts what it held. */
async function giveUp(archive: LogArchive): Promise<DroppedLog> {
  const reader = new ArchiveReader()
  let lines = 0
  for (let at = archive.start; at < archive.end; ) {
    const bytes = reader.read(archive, at, TAIL_BYTES)
    if (!bytes?.length) break
    lines += countNewlines(bytes)
    at += bytes.length
    await new Promise(resolve => setImmediate(resolve))
  }
  removeArchive(archive)
  return { from: archive.start, to: archive.end, bytes: archive.end - archive.start, lines }
}
