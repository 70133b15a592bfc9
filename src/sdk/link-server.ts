/**
 * Executes the requests of one name, each id once (docs/link.md, Requests): written down as begun before its
 * handler runs, the reply written down before it is sent. What a handler throws ends in a reply, never here.
 */
import type { Json } from './json-text.ts'
import { Refuse } from './link-errors.ts'
import { decide, type Entry, type RequestLedger } from './link-ledger.ts'
import { checkedData, type Reply, readRequest, type Request } from './link-text.ts'

export interface Asked {
  readonly id: string
  readonly from: string
  /** Unix ms: later nobody waits for the answer. */
  readonly expires: number
}

export type Handler = (data: Json, asked: Asked) => Json | undefined | Promise<Json | undefined>

/** Finds out what became of a request that was begun before a crash. */
export type Recover = (id: string, data: Json) => ReturnType<Handler>

export interface ServerDeps {
  readonly ledger: RequestLedger
  readonly handler: Handler
  readonly recover: Recover | null
  readonly nowMs: () => number
  readonly reply: (to: string, reply: Reply) => void
}

type Work = () => ReturnType<Handler>

const MESSAGE_MAX_CHARS = 1000
const REFUSED_MAX = 10_000

export class LinkServer {
  readonly #deps: ServerDeps
  readonly #running = new Set<string>()
  /** Told without a word in the ledger: a repetition that was under way must not be executed after all. */
  readonly #refused = new Map<string, Reply>()

  constructor(deps: ServerDeps) {
    this.#deps = deps
  }

  async heard(from: string, text: string): Promise<void> {
    const request = readRequest(text)
    if (request === null) return
    const { ledger, nowMs, recover, handler } = this.#deps
    const refused = this.#refused.get(request.id)
    if (refused) return this.#deps.reply(from, refused)
    const entry = ledger.get(request.id)
    const deed = decide({
      ledger: entry?.state ?? null,
      running: this.#running.has(request.id),
      expired: nowMs() > request.expires,
      recover: recover !== null,
    })
    if (deed === 'reply' && entry?.state === 'done') this.#deps.reply(from, entry.reply)
    if (deed === 'refuse expired') this.#refuse(from, refusal(request, 'expired', 'it came too late'))
    if (deed === 'unknown') await this.#finish(from, request, unknown(request, 'it was begun before a crash'))
    const { id, expires, data } = request
    if (deed === 'recover') await this.#run(from, request, () => recover?.(id, data))
    if (deed === 'execute') await this.#execute(from, request, () => handler(data, { id, from, expires }))
  }

  async #execute(from: string, request: Request, work: Work): Promise<void> {
    const { ledger, nowMs } = this.#deps
    if (!ledger.makeRoom(nowMs())) return this.#refuse(from, refusal(request, 'busy', 'the ledger is full'))
    this.#running.add(request.id)
    try {
      await ledger.set(request.id, { state: 'begun', expires: request.expires })
    } catch (error) {
      const { message } = error as Error
      return await this.#finish(
        from,
        request,
        refusal(request, 'ledger', `it was not written down: ${message}`),
      )
    }
    // The disk may have been slow: who asked does not wait any more, and an order must not come late.
    if (nowMs() > request.expires)
      return await this.#finish(from, request, refusal(request, 'expired', 'it could not begin in time'))
    await this.#run(from, request, work)
  }

  #refuse(from: string, reply: Reply): void {
    this.#refused.set(reply.id, reply)
    if (this.#refused.size > REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value as string)
    this.#deps.reply(from, reply)
  }

  async #run(from: string, request: Request, work: Work): Promise<void> {
    this.#running.add(request.id)
    await this.#finish(from, request, await outcome(request, work))
  }

  async #finish(from: string, request: Request, reply: Reply): Promise<void> {
    const entry: Entry = { state: 'done', expires: request.expires, reply }
    // What happened is true also where it cannot be written down: then a crash makes it unknown.
    await this.#deps.ledger.set(request.id, entry).catch(() => {})
    this.#running.delete(request.id)
    this.#deps.reply(from, reply)
  }
}

async function outcome(request: Request, work: Work): Promise<Reply> {
  try {
    const value = checkedData((await work()) ?? null)
    return { v: 1, id: request.id, ok: true, value }
  } catch (error) {
    if (error instanceof Refuse) return refusal(request, error.code, error.message)
    return unknown(request, error instanceof Error ? error.message : String(error))
  }
}

function unknown(request: Request, message: string): Reply {
  return refusal(request, 'unknown', message)
}

function refusal({ id }: Request, code: string, message: string): Reply {
  return { v: 1, id, ok: false, error: { code, message: message.slice(0, MESSAGE_MAX_CHARS) } }
}
