/**
 * The archive as the rest of the daemon sees it: questions with a time limit, and a thread that may hang or
 * die without anyone else noticing more than a missing answer. The thread starts when it is first needed, not
 * amid a fleet's start. Restarts one that died with backoff.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { MarkError } from '../../core/errors.ts'
import type { Clock } from '../../host/clock.ts'
import type { EventPage, EventQuery, ExitQuery } from '../../contract/api.ts'
import type { ArchiveReads, ArchiveSetup, FromArchive, ToArchive } from './protocol.ts'
import type { RunNotes } from './draft.ts'
import type { NewExit } from './store.ts'

export interface ArchiveHearing {
  imported(exits: readonly NewExit[]): void
  /** null: all is well again. Said once for each change. */
  problem(problem: string | null): void
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

const ANSWER_MS = 2000
const MAX_WAITING = 256
const NOTES_MAX = 1000
const RESTART_MIN_MS = 200
const RESTART_MAX_MS = 60_000
const HOUR_MS = 3_600_000
const CLOSE_MS = 500
/** News may wait this long for a thread, so that none is started amid a fleet's start; questions never do. */
const GATHER_MS = 500
/** Batches and answers are small; a thread that needs more is restarted. */
const HEAP = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 8 }
// A compiled package has `.js` beside this file, a checkout `.ts`.
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

export class ArchiveClient {
  readonly #setup: ArchiveSetup
  readonly #hearing: ArchiveHearing
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | null = null
  #secrets: readonly string[] | null = null
  #nextId = 1
  #restartMs = RESTART_MIN_MS
  /** Until the next start: of a thread that is wanted soon, or of one that comes back after it died. */
  #timer: NodeJS.Timeout | null = null
  #restarting = false
  /** What runs that ended left, until there is a thread. */
  #notes: RunNotes[] = []
  #closed = false
  #retaining: NodeJS.Timeout | null = null

  constructor(setup: ArchiveSetup, hearing: ArchiveHearing) {
    this.#setup = setup
    this.#hearing = hearing
  }

  /** What the API reads. */
  readonly reads = {
    events: (query: EventQuery) => this.ask('events', query),
    exits: (query: ExitQuery) => this.ask('exits', query),
    exit: (runId: string) => this.ask('exit', runId),
    jobRows: (query: Parameters<ArchiveReads['jobRows']>[0]) => this.ask('jobRows', query),
    jobRow: (runId: string) => this.ask('jobRow', runId),
    spans: (runIds: Parameters<ArchiveReads['spans']>[0]) => this.ask('spans', runIds),
  }

  /** What stands in the archive behind this event; null: it is not there, so nobody can tell. */
  async missed(
    journalId: string,
    seq: number,
    limit: number,
  ): Promise<Pick<EventPage, 'events' | 'more'> | null> {
    const afterId = await this.ask('idOf', { journalId, seq })
    if (afterId === null) return null
    return await this.ask('events', { module: null, sinceMs: null, beforeId: null, afterId, limit })
  }

  /** Asks. Rejects with MARK_BUSY when the archive is off, hung or overrun. */
  ask<K extends keyof ArchiveReads>(
    read: K,
    ...[argument]: Parameters<ArchiveReads[K]>
  ): Promise<ReturnType<ArchiveReads[K]>> {
    return new Promise((resolve, reject) => {
      if (!this.#worker && !this.#restarting && !this.#closed) this.#start()
      if (!this.#worker || this.#waiting.size >= MAX_WAITING) return reject(off('it is not there'))
      const id = this.#nextId++
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(off(`it gave no answer within ${ANSWER_MS / 1000} s`))
      }, ANSWER_MS)
      this.#waiting.set(id, { resolve, reject, timer })
      this.#post({ kind: 'ask', id, read, argument })
    })
  }

  /** The journal has grown. */
  wake(): void {
    if (this.#worker) this.#post({ kind: 'wake' })
    else this.#startSoon()
  }

  note(notes: RunNotes): void {
    if (this.#worker) return this.#post({ kind: 'note', notes })
    this.#notes.push(notes)
    if (this.#notes.length > NOTES_MAX) this.#notes.shift()
    this.#startSoon()
  }

  retain(beforeMs: number): void {
    if (!this.#worker && !this.#restarting && !this.#closed) this.#start()
    this.#post({ kind: 'retain', beforeMs })
  }

  /** Lets go of what is older than this many ms, now and then; null: of nothing. */
  retainHourly(keepMs: () => number | null, clock: Clock): void {
    this.#retaining = setInterval(() => {
      const ms = keepMs()
      if (ms !== null) this.retain(clock.now().wallMs - ms)
    }, HOUR_MS).unref()
  }

  /** Values that must never be stored. Nothing is imported before this was called once. */
  secrets(values: readonly string[]): void {
    this.#secrets = values
    this.#post({ kind: 'secrets', values })
  }

  /** Ends the thread: in good order if it can, at once if it hangs. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#retaining) clearInterval(this.#retaining)
    this.#failAll('the daemon ends')
    const worker = this.#worker
    if (!worker) return
    const gone = new Promise<void>(resolve => worker.once('exit', () => resolve()))
    const timer = setTimeout(() => void worker.terminate(), CLOSE_MS)
    this.#post({ kind: 'close' })
    await Promise.race([gone, new Promise<void>(resolve => setTimeout(resolve, CLOSE_MS + 100).unref())])
    clearTimeout(timer)
  }

  #startSoon(): void {
    if (this.#timer || this.#closed) return
    this.#timer = setTimeout(() => this.#start(), GATHER_MS)
    this.#timer.unref()
  }

  #start(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#restarting = false
    const worker = new Worker(WORKER, {
      workerData: this.#setup,
      name: 'archive',
      // NODE_COMPILE_CACHE: without it a checkout strips the thread's types at each start.
      env: SHARE_ENV,
      argv: [],
      resourceLimits: HEAP,
    })
    this.#worker = worker
    worker.on('message', (message: FromArchive) => this.#heard(message))
    worker.on('error', (error: Error) =>
      this.#hearing.problem(`archive off: its thread failed: ${error.message}`),
    )
    worker.on('exit', () => this.#ended())
    worker.unref()
    if (this.#secrets) this.#post({ kind: 'secrets', values: this.#secrets })
    for (const notes of this.#notes.splice(0)) this.#post({ kind: 'note', notes })
    this.#post({ kind: 'wake' })
  }

  #ended(): void {
    this.#worker = null
    this.#failAll('its thread ended')
    if (this.#closed) return
    this.#restarting = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#start(), this.#restartMs)
    this.#timer.unref()
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS)
  }

  #heard(message: FromArchive): void {
    if (message.kind === 'imported') this.#hearing.imported(message.exits)
    if (message.kind === 'problem') this.#hearing.problem(message.problem)
    const waiting = 'id' in message ? this.#waiting.get(message.id) : undefined
    if (!waiting || !('id' in message)) return
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    this.#restartMs = RESTART_MIN_MS
    if (message.kind === 'answer') waiting.resolve(message.value as never)
    else waiting.reject(off(message.why))
  }

  #post(message: ToArchive): void {
    this.#worker?.postMessage(message)
  }

  #failAll(why: string): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer)
      waiting.reject(off(why))
    }
    this.#waiting.clear()
  }
}

function off(why: string): MarkError {
  return new MarkError(
    'MARK_BUSY',
    `The archive cannot answer: ${why}.`,
    '`mark status` and `mark logs` work without it.',
  )
}
