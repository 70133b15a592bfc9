/**
 * Requests under way: each is said again every second and on each new connection, under one id, until its
 * reply is there or its time is over. Never says of a request that may have been executed that it was not.
 */
import { randomBytes } from 'node:crypto'
import type { Json } from './json-text.ts'
import { RequestRefused, RequestUnknown } from './link-errors.ts'
import { readReply, type Reply, writeRequest } from './link-text.ts'

export interface RequestsDeps {
  readonly nowMs: () => number
  /** To the broker, if it is there. */
  readonly send: (topic: string, text: string) => void
  readonly from: string
}

interface Pending {
  readonly to: string
  readonly topic: string
  readonly text: string
  readonly settle: (reply: Reply) => void
  readonly timers: readonly NodeJS.Timeout[]
}

const AGAIN_MS = 1000
const PENDING_MAX = 10_000

export class LinkRequests {
  readonly #deps: RequestsDeps
  readonly #pending = new Map<string, Pending>()

  constructor(deps: RequestsDeps) {
    this.#deps = deps
  }

  ask(to: string, name: string, data: Json, timeoutMs: number): Promise<Json> {
    if (this.#pending.size >= PENDING_MAX) {
      return Promise.reject(new RequestRefused('busy', `${PENDING_MAX} requests are under way already`))
    }
    const ts = this.#deps.nowMs()
    const id = newId(ts)
    const topic = `request/${to}/${name}/${this.#deps.from}`
    const text = writeRequest({ id, ts, expires: ts + timeoutMs, data })
    return new Promise((resolve, reject) => {
      const settle = (reply: Reply): void => {
        this.#end(id)
        if (reply.ok) resolve(reply.value)
        else if (reply.error.code === 'unknown') reject(new RequestUnknown(reply.error.message))
        else reject(new RequestRefused(reply.error.code, reply.error.message))
      }
      const late = (): void => {
        this.#end(id)
        reject(new RequestUnknown(`no reply from ${to} within ${timeoutMs} ms`))
      }
      const again = setInterval(() => this.#deps.send(topic, text), AGAIN_MS)
      const timers = [again, setTimeout(late, timeoutMs)]
      this.#pending.set(id, { to, topic, text, settle, timers })
      this.#deps.send(topic, text)
    })
  }

  /** A message under reply/<us>/<from>. */
  heard(from: string, text: string): void {
    const reply = readReply(text)
    const pending = reply && this.#pending.get(reply.id)
    if (pending && pending.to === from) pending.settle(reply)
  }

  /** There is a broker again. */
  sayAgain(): void {
    for (const { topic, text } of this.#pending.values()) this.#deps.send(topic, text)
  }

  #end(id: string): void {
    for (const timer of this.#pending.get(id)?.timers ?? []) clearTimeout(timer)
    this.#pending.delete(id)
  }
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A ULID. */
function newId(wallMs: number): string {
  const time = Array.from({ length: 10 }, (_, at) => ALPHABET[Math.floor(wallMs / 32 ** (9 - at)) % 32])
  return time.join('') + Array.from(randomBytes(16), byte => ALPHABET[byte % 32]).join('')
}
