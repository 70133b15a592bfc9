/**
 * What `serve` remembers of requests, so that each is executed once: begun before the handler runs, then the
 * reply. The ledger is a PersistentMap; what else lies in it is left alone.
 */
import type { Json } from './json-text.ts'
import { readReply, type Reply } from './link-text.ts'
import type { PersistentMap } from './persistent-map.ts'

/** What of a PersistentMap is needed. */
export type Ledger = Pick<PersistentMap, 'get' | 'set' | 'delete' | 'entries' | 'size'>

export type Entry =
  | { readonly state: 'begun'; readonly expires: number }
  | { readonly state: 'done'; readonly expires: number; readonly reply: Reply }

export type Deed = 'execute' | 'reply' | 'refuse expired' | 'recover' | 'unknown' | 'wait'

export interface Case {
  readonly ledger: Entry['state'] | null
  /** Its handler runs in this process now. */
  readonly running: boolean
  /** Its time is over. */
  readonly expired: boolean
  readonly recover: boolean
}

/** Never executes twice, and never calls refused what may have been executed. */
export function decide({ ledger, running, expired, recover }: Case): Deed {
  if (running) return 'wait'
  if (ledger === 'done') return 'reply'
  if (ledger === 'begun') return recover ? 'recover' : 'unknown'
  return expired ? 'refuse expired' : 'execute'
}

const KEEP_MS = 86_400_000
/** Whoever asked may be slow to notice that time is over: until then a repetition must find its entry. */
const LATE_MS = 60_000
export const ENTRIES_MAX = 100_000

export class RequestLedger {
  readonly #map: Ledger
  #prunedAtMs = Number.NEGATIVE_INFINITY

  constructor(map: Ledger) {
    this.#map = map
  }

  get(id: string): Entry | null {
    return entryOf(this.#map.get(id))
  }

  /** Resolves when it is on the disk; rejects when it may not be. */
  async set(id: string, entry: Entry): Promise<void> {
    await this.#map.set(id, entry as unknown as Json, { durable: true })
  }

  /** Whether there is room for one more. Entries that may be asked for again are never given up. */
  makeRoom(nowMs: number): boolean {
    const isFull = this.#map.size >= ENTRIES_MAX
    if (nowMs - this.#prunedAtMs < (isFull ? 1000 : 60_000)) return !isFull
    this.#prunedAtMs = nowMs
    let over = this.#map.size - ENTRIES_MAX * 0.9
    for (const [id, value] of this.#map.entries()) {
      const entry = entryOf(value)
      if (entry === null || entry.expires + LATE_MS >= nowMs) continue
      if (entry.expires + KEEP_MS >= nowMs && !(isFull && over > 0)) continue
      this.#map.delete(id)
      over--
    }
    return this.#map.size < ENTRIES_MAX
  }
}

function entryOf(value: Json | undefined): Entry | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const { state, expires, reply } = value as { state?: unknown; expires?: unknown; reply?: unknown }
  if (typeof expires !== 'number') return null
  if (state === 'begun') return { state, expires }
  const known = state === 'done' ? readReply(JSON.stringify(reply ?? null)) : null
  return known && { state: 'done', expires, reply: known }
}
