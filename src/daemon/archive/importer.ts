/**
 * Copies the keeper's journal into the archive, from the cursor, in batches. Owns the store: opens it, sets a
 * corrupt one aside and rebuilds it from the journal, waits and tries again after any other error. Never
 * throws; `problem` says what is wrong now. Never writes anything but archive.db.
 */
import { existsSync, renameSync } from 'node:fs'
import type { FleetEvent } from '../../core/view.ts'
import type { RunNotes } from './draft.ts'
import { SchemaNewer } from './schema.ts'
import { type DossierMaker, type NewExit, Store } from './store.ts'

export interface ImporterDeps {
  readonly path: string
  readonly readJournal: (
    afterSeq: number,
    limit: number,
  ) => { journalId: string | null; events: readonly FleetEvent[] }
  readonly dossier: DossierMaker
  readonly imported: (exits: readonly NewExit[]) => void
  /** Called when `problem` changes. */
  readonly problemChanged: (problem: string | null) => void
}

const BATCH = 500
const RETRY_MIN_MS = 1000
const RETRY_MAX_MS = 60_000
const NOTES_KEPT = 1000
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

export class Importer {
  readonly #deps: ImporterDeps
  readonly #notes = new Map<string, RunNotes>()
  #store: Store | null = null
  #problem: string | null = null
  #refused = false
  #retryMs = RETRY_MIN_MS
  #timer: NodeJS.Timeout | null = null
  #running = false
  #again = false
  #closed = false

  constructor(deps: ImporterDeps) {
    this.#deps = deps
  }

  get problem(): string | null {
    return this.#problem
  }

  /** What is known of a run that just ended: for its dossier, whether that is there already or comes soon. */
  note(notes: RunNotes): void {
    try {
      if (this.#store?.annotate(notes)) return
    } catch (error) {
      this.#failed(error)
    }
    this.#notes.set(notes.runId, notes)
    if (this.#notes.size > NOTES_KEPT) this.#notes.delete(this.#notes.keys().next().value as string)
  }

  /** There is something new in the journal, or this is the start. Work goes on between other tasks. */
  wake(): void {
    if (this.#closed || this.#refused || this.#timer) return
    if (this.#running) {
      this.#again = true
      return
    }
    this.#running = true
    this.#next()
  }

  /** Reads for the API. Throws when the archive is off. */
  read<T>(query: (store: Store) => T): T {
    if (!this.#store) throw new Error(this.#problem ?? 'the archive is not open yet')
    try {
      return query(this.#store)
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  /** Deletes what is older, a slice at a time. */
  retain(beforeMs: number): void {
    const slice = (): void => {
      if (this.#closed || !this.#store) return
      try {
        if (this.#store.forget(beforeMs, BATCH)) setImmediate(slice)
      } catch (error) {
        this.#failed(error)
      }
    }
    slice()
  }

  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#drop()
  }

  #next(): void {
    if (this.#closed) return
    let more = false
    try {
      more = this.#batch()
      this.#retryMs = RETRY_MIN_MS
      this.#say(null)
    } catch (error) {
      this.#running = false
      this.#failed(error)
      return
    }
    if (more || this.#again) {
      if (!more) this.#again = false
      setImmediate(() => this.#next())
      return
    }
    this.#running = false
  }

  /** One batch. True: there may be more. */
  #batch(): boolean {
    this.#store ??= new Store(this.#deps.path)
    const cursor = this.#store.cursor()
    let read = this.#deps.readJournal(cursor?.seq ?? 0, BATCH)
    const sameJournal = cursor === null || read.journalId === cursor.journalId
    if (!sameJournal) read = this.#deps.readJournal(0, BATCH)
    if (read.events.length === 0) return false
    const exits = this.#store.import(read.events, this.#deps.dossier, this.#notes)
    for (const exit of exits) this.#notes.delete(exit.runId)
    if (exits.length > 0) this.#deps.imported(exits)
    return true
  }

  #failed(error: unknown): void {
    if (this.#closed) return
    this.#drop()
    if (error instanceof SchemaNewer) {
      this.#refused = true
      this.#say(`archive off: ${error.message}`)
      return
    }
    const aside = isCorrupt(error) ? setAside(this.#deps.path) : null
    const why = aside ? `it was corrupt, is kept as ${aside} and is being rebuilt` : (error as Error).message
    this.#say(`archive off: ${why}`)
    this.#timer ??= setTimeout(
      () => {
        this.#timer = null
        this.wake()
      },
      aside ? 0 : this.#retryMs,
    )
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }

  #drop(): void {
    try {
      this.#store?.close()
    } catch {
      // a store that cannot even be closed is dropped all the same
    }
    this.#store = null
  }

  #say(problem: string | null): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.#deps.problemChanged(problem)
  }
}

function isCorrupt(error: unknown): boolean {
  const code = Number((error as { errcode?: unknown }).errcode) & 0xff
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

/** Renames the file and its companions; nothing is deleted. The new name, or null if that failed. */
function setAside(path: string): string | null {
  let number = 1
  while (existsSync(`${path}.corrupt-${number}`)) number++
  try {
    for (const suffix of ['-wal', '-shm', '']) {
      if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.corrupt-${number}${suffix}`)
    }
    return `archive.db.corrupt-${number}`
  } catch {
    return null
  }
}
