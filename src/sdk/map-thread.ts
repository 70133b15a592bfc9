/**
 * The caller's end of a PersistentMap's thread: opens it, sends one batch at a time, ends it. Keeps the
 * process alive only while it opens, writes or ends. Must never wait for a thread that waits for a disk.
 */
import { isBuiltin } from 'node:module'
import { Worker } from 'node:worker_threads'
import { PersistentMapError } from './map-error.ts'
import type { Changes, FromMap, MapPlace, ToMap } from './map-protocol.ts'

const IS_SOURCE = import.meta.url.endsWith('.ts')
// A compiled package has `.js` beside this file, a checkout `.ts`.
const WORKER = new URL(IS_SOURCE ? './map-worker.ts' : './map-worker.js', import.meta.url)

type Done = (error: PersistentMapError | null) => void

export class MapThread {
  readonly #worker: Worker
  #done: Done | null = null
  /** Why it is gone; null: it is there. */
  #gone: PersistentMapError | null = null
  readonly #ended: Promise<void>

  private constructor(place: MapPlace) {
    const execArgv = ['--disable-warning=ExperimentalWarning']
    this.#worker = new Worker(WORKER, { workerData: place, name: `map ${place.name}`, argv: [], execArgv })
    this.#ended = new Promise(resolve => {
      this.#worker.once('exit', () => {
        this.#fail('it ended')
        resolve()
      })
    })
    this.#worker.on('error', error => this.#fail((error as Error).message))
  }

  /** With all that the file holds. Rejects with what keeps it from being proven whole. */
  static async open(place: MapPlace, texts: Map<string, string>): Promise<MapThread> {
    if (!isBuiltin('node:sqlite')) {
      const why = `PersistentMap needs Node 22.5 or later; this is ${process.version}`
      throw new PersistentMapError('unsupported', `${why}.`)
    }
    const thread = new MapThread(place)
    const error = await new Promise<PersistentMapError | null>(resolve => {
      thread.#done = resolve
      thread.#worker.on('message', (message: FromMap) => thread.#heard(message, texts))
    })
    if (error) throw error
    thread.#worker.unref()
    return thread
  }

  /** `done` comes once, when the batch is on the disk or was refused by it. One batch at a time. */
  write(changes: Changes, done: Done): void {
    if (this.#gone) return void queueMicrotask(() => done(this.#gone))
    this.#done = done
    this.#worker.ref()
    this.#post({ kind: 'write', ...changes })
  }

  get isGone(): boolean {
    return this.#gone !== null
  }

  /** Resolves when it has ended, or after that time: a thread in the disk's hands is left there. */
  async end(withinMs: number): Promise<void> {
    this.#worker.ref()
    this.#post({ kind: 'close' })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(() => {
        void this.#worker.terminate()
        resolve()
      }, withinMs)
    })
    await Promise.race([this.#ended, late])
    clearTimeout(timer)
    this.#worker.unref()
  }

  #heard(message: FromMap, texts: Map<string, string>): void {
    if (message.kind === 'rows') {
      for (const [index, key] of message.keys.entries()) texts.set(key, message.texts[index] as string)
      return
    }
    const isTrouble = message.kind === 'refused' || message.kind === 'failed'
    this.#tell(isTrouble ? new PersistentMapError(message.code, message.message) : null)
  }

  #tell(error: PersistentMapError | null): void {
    const done = this.#done
    this.#done = null
    this.#worker.unref()
    done?.(error)
  }

  #fail(why: string): void {
    this.#gone ??= new PersistentMapError('unwritable', `PersistentMap: its thread is gone: ${why}.`)
    if (this.#done) this.#tell(this.#gone)
  }

  #post(message: ToMap): void {
    this.#worker.postMessage(message)
  }
}
