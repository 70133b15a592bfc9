/**
 * What a module must not forget (docs/persistent-map.md): a map of JSON values in the caller's memory,
 * written in the background by a thread. Promises: what is on the disk is always what memory was at one
 * moment; what is not proven whole does not open. Reading and `set` never wait for the disk.
 */
import { checkKey, fromText, type Json, toText } from './json-text.ts'
import { PersistentMapError } from './map-error.ts'
import { type MapOptions, placeOf } from './map-place.ts'
import { MapThread } from './map-thread.ts'

export interface Durable {
  /** Resolves when it is on the disk (fsync). */
  readonly durable: true
}

/** The map inside a transaction. */
export interface MapChange {
  get(key: string): Json | undefined
  has(key: string): boolean
  set(key: string, value: Json): void
  delete(key: string): boolean
}

interface Waiting {
  readonly version: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

type Texts = Map<string, string | null>

const INTERVAL_MS = 200
const RETRY_MAX_MS = 5000
/** `close` ends within 5 s: what flushing leaves of it is the thread's. */
const LAST_FLUSH_MS = 4300
const LAST_END_MS = 500

export class PersistentMap {
  /** Text, so that no one changes a value behind its back. */
  readonly #texts: Map<string, string>
  readonly #thread: MapThread
  readonly #intervalMs: number
  #dirty: Texts = new Map()
  /** With the thread; null: it has nothing to do. */
  #batch: Texts | null = null
  #timer: NodeJS.Timeout | null = null
  #retryMs = 0
  #version = 0
  #waiting: Waiting[] = []
  /** Not told yet. */
  #failure: PersistentMapError | null = null
  /** For good: nothing is written any more. */
  #over: PersistentMapError | null = null
  #closing: Promise<void> | null = null

  private constructor(texts: Map<string, string>, thread: MapThread, intervalMs: number) {
    this.#texts = texts
    this.#thread = thread
    this.#intervalMs = intervalMs
  }

  /** Rejects with PersistentMapError: `lost` must end in exit 11, never in an empty map. */
  static async open(name: string, options: MapOptions, env: NodeJS.ProcessEnv): Promise<PersistentMap> {
    const texts = new Map<string, string>()
    const thread = await MapThread.open(placeOf(name, options, env), texts)
    return new PersistentMap(texts, thread, Math.max(0, options.interval ?? INTERVAL_MS))
  }

  get size(): number {
    return this.#texts.size
  }

  /** A value of its own each time: changing it changes nothing here. */
  get(key: string): Json | undefined {
    const text = this.#texts.get(key)
    return text === undefined ? undefined : fromText(text)
  }

  has(key: string): boolean {
    return this.#texts.has(key)
  }

  keys(): IterableIterator<string> {
    return this.#texts.keys()
  }

  *entries(): IterableIterator<[string, Json]> {
    for (const [key, text] of this.#texts) yield [key, fromText(text)]
  }

  [Symbol.iterator](): IterableIterator<[string, Json]> {
    return this.entries()
  }

  /** Throws what a write that failed since had to say; the value is taken nevertheless. */
  set(key: string, value: Json): void
  set(key: string, value: Json, durable: Durable): Promise<void>
  set(key: string, value: Json, durable?: Durable): Promise<void> | void {
    checkKey(key)
    const text = toText(value)
    this.#refuse()
    this.#change(key, text)
    this.#raise()
    if (durable?.durable) return this.#written()
  }

  /** Whether it was there. */
  delete(key: string): boolean
  delete(key: string, durable: Durable): Promise<boolean>
  delete(key: string, durable?: Durable): Promise<boolean> | boolean {
    this.#refuse()
    const was = this.#texts.has(key)
    if (was) this.#change(key, null)
    this.#raise()
    return durable?.durable ? this.#written().then(() => was) : was
  }

  /** All that `change` sets, or when it throws nothing, in memory at once and in one piece on the disk. */
  async transaction<T>(change: (map: MapChange) => T, options?: Partial<Durable>): Promise<T> {
    this.#refuse()
    const draft: Texts = new Map()
    const view = new Draft(this.#texts, draft)
    let result: T
    try {
      result = change(view)
    } finally {
      view.isOver = true
    }
    if (result instanceof Promise) {
      result.catch(() => {})
      throw new PersistentMapError(
        'value',
        'PersistentMap: a transaction is one function that does not wait.',
      )
    }
    for (const [key, text] of draft) this.#change(key, text)
    this.#raise()
    if (options?.durable) await this.#written()
    return result
  }

  /** Resolves when all before it is on the disk. */
  async flush(): Promise<void> {
    this.#refuse()
    this.#raise()
    await this.#written()
  }

  /** Writes what is left and lets go of the file, within 5 s; rejects when something may not be there. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  #change(key: string, text: string | null): void {
    if (text === null) this.#texts.delete(key)
    else this.#texts.set(key, text)
    this.#dirty.set(key, text)
    this.#version++
    if (!this.#timer && !this.#batch) this.#timer = setTimeout(() => this.#write(), this.#intervalMs)
  }

  #refuse(): void {
    if (this.#closing) throw new PersistentMapError('closed', 'PersistentMap: it is closed.')
    if (this.#over) throw this.#over
  }

  /** A failure of the background, once. */
  #raise(): void {
    const failure = this.#failure
    this.#failure = null
    if (failure) throw failure
  }

  #written(): Promise<void> {
    if (this.#over) return Promise.reject(this.#over)
    if (this.#dirty.size === 0 && !this.#batch) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ version: this.#version, resolve, reject })
      // What is asked for in the same breath shares a transaction.
      queueMicrotask(() => this.#write())
    })
  }

  #write(): void {
    if (this.#batch || this.#over || this.#dirty.size === 0) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const batch = this.#dirty
    const version = this.#version
    this.#batch = batch
    this.#dirty = new Map()
    this.#thread.write({ keys: [...batch.keys()], texts: [...batch.values()] }, error => {
      this.#batch = null
      if (error) this.#failed(batch, error)
      else this.#retryMs = 0
      if (!error) this.#failure = null
      this.#answer(version, error)
      this.#next()
    })
  }

  #failed(batch: Texts, error: PersistentMapError): void {
    for (const [key, text] of this.#dirty) batch.set(key, text)
    this.#dirty = batch
    this.#failure = error
    this.#retryMs = Math.min(Math.max(this.#retryMs * 2, INTERVAL_MS), RETRY_MAX_MS)
    if (error.code !== 'fenced' && error.code !== 'lost' && !this.#thread.isGone) return
    this.#over = error
    this.#answer(this.#version, error)
  }

  #answer(version: number, error: PersistentMapError | null): void {
    const over = this.#waiting.filter(waiting => waiting.version <= version)
    this.#waiting = this.#waiting.filter(waiting => waiting.version > version)
    for (const { resolve, reject } of over) error ? reject(error) : resolve()
  }

  #next(): void {
    if (this.#over || this.#dirty.size === 0) return
    if (this.#waiting.length > 0) return this.#write()
    this.#timer ??= setTimeout(() => this.#write(), Math.max(this.#retryMs, this.#intervalMs))
    // A disk that refuses must not keep the process from ending.
    if (this.#retryMs > 0) this.#timer.unref()
  }

  async #end(): Promise<void> {
    let failure: unknown = null
    try {
      await within(LAST_FLUSH_MS, this.#written())
    } catch (error) {
      failure = error
    }
    if (this.#timer) clearTimeout(this.#timer)
    this.#over ??= new PersistentMapError('closed', 'PersistentMap: it is closed.')
    await this.#thread.end(LAST_END_MS)
    if (failure) throw failure
  }
}

class Draft implements MapChange {
  readonly #texts: ReadonlyMap<string, string>
  readonly #draft: Texts
  isOver = false

  constructor(texts: ReadonlyMap<string, string>, draft: Texts) {
    this.#texts = texts
    this.#draft = draft
  }

  get(key: string): Json | undefined {
    const drafted = this.#draft.get(key)
    const text = drafted === undefined ? this.#texts.get(key) : drafted
    return text === undefined || text === null ? undefined : fromText(text)
  }

  has(key: string): boolean {
    const drafted = this.#draft.get(key)
    return drafted === undefined ? this.#texts.has(key) : drafted !== null
  }

  set(key: string, value: Json): void {
    checkKey(key)
    this.#refuse()
    this.#draft.set(key, toText(value))
  }

  delete(key: string): boolean {
    this.#refuse()
    const was = this.has(key)
    if (was) this.#draft.set(key, null)
    return was
  }

  #refuse(): void {
    if (this.isOver) throw new PersistentMapError('closed', 'PersistentMap: this transaction is over.')
  }
}

function within(limitMs: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = new PersistentMapError('slow', `PersistentMap: not on the disk within ${limitMs} ms.`)
    const timer = setTimeout(() => reject(late), limitMs)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
