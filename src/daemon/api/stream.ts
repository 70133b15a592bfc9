/**
 * GET /stream: server-sent events. First a snapshot of the fleet, then what changed: `module`, `fleet`,
 * `event`. Events carry their place in the journal as `id`, and a client that comes back with Last-Event-ID
 * gets what it missed. A client that does not read is dropped at 1 MB: nobody's slowness costs memory.
 */
import type { EventPage } from '../../contract/api.ts'
import type { FleetEvent } from '../../core/view.ts'

export interface StreamSource {
  snapshot(): unknown
  /** Events behind that journal record, oldest first; null when its place is not known any more. */
  missed(journalId: string, seq: number, limit: number): Promise<Pick<EventPage, 'events' | 'more'> | null>
}

export type Delta =
  | { readonly kind: 'module' | 'fleet'; readonly value: unknown }
  | { readonly kind: 'event'; readonly value: FleetEvent }

interface Client {
  send(text: string): void
  end(): void
}

export const QUEUE_MAX_BYTES = 1024 * 1024
const HEARTBEAT_MS = 15_000
const CLIENTS_MAX = 100
const RING = 500
const MISSED_MAX = 2000

export class StreamHub {
  readonly #source: StreamSource
  readonly #clients = new Set<Client>()
  readonly #ring: FleetEvent[] = []
  #heartbeat: NodeJS.Timeout | null = null

  constructor(source: StreamSource) {
    this.#source = source
  }

  get clients(): number {
    return this.#clients.size
  }

  publish(delta: Delta): void {
    if (delta.kind === 'event') {
      this.#ring.push(delta.value)
      if (this.#ring.length > RING) this.#ring.shift()
    }
    if (this.#clients.size === 0) return
    const text = frame(delta.kind, delta.value, delta.kind === 'event' ? idOf(delta.value) : null)
    for (const client of this.#clients) client.send(text)
  }

  /** A new client's response; null when there are too many. */
  open(lastEventId: string | null): Response | null {
    if (this.#clients.size >= CLIENTS_MAX) return null
    const body = this.#body(lastEventId)
    return new Response(body, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    })
  }

  close(): void {
    for (const client of [...this.#clients]) client.end()
    this.#stopHeartbeat()
  }

  #body(lastEventId: string | null): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    let client: Client | null = null
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      let held: string[] | null = []
      const write = (text: string): void => {
        controller.enqueue(encoder.encode(text))
        if ((controller.desiredSize ?? 0) <= 0)
          this.#leave(client as Client, () => controller.error(new Error('too slow')))
      }
      client = {
        send: text => {
          if (held) held.push(text)
          else write(text)
        },
        end: () => this.#leave(client as Client, () => controller.close()),
      }
      this.#clients.add(client)
      this.#startHeartbeat()
      const begin = (missed: readonly FleetEvent[], gap: boolean): void => {
        const queued = held ?? []
        held = null
        const sent = new Set(missed.map(idOf))
        const texts = [
          'retry: 1000\n\n',
          frame('snapshot', this.#source.snapshot(), null),
          ...(gap ? [frame('gap', { missed: true }, null)] : []),
          ...missed.map(event => frame('event', event, idOf(event))),
          ...queued.filter(text => !sent.has(/^id: (.*)$/m.exec(text)?.[1] ?? '')),
        ]
        for (const text of texts) if (this.#clients.has(client as Client)) write(text)
      }
      void this.#missedSince(lastEventId).then(
        ({ events, gap }) => begin(events, gap),
        () => begin([], true),
      )
    }
    const cancel = (): void => {
      if (client) this.#leave(client, () => {})
    }
    return new ReadableStream(
      { start, cancel },
      new ByteLengthQueuingStrategy({ highWaterMark: QUEUE_MAX_BYTES }),
    )
  }

  /** What a client that has seen `lastEventId` has missed; `gap`: not all of it can be told. */
  async #missedSince(lastEventId: string | null): Promise<{ events: readonly FleetEvent[]; gap: boolean }> {
    const match = lastEventId === null ? null : /^([\w-]{1,64}):(\d{1,15})$/.exec(lastEventId)
    if (!match) return { events: [], gap: lastEventId !== null && lastEventId !== '' }
    const at = this.#ring.findIndex(event => idOf(event) === lastEventId)
    if (at >= 0) return { events: this.#ring.slice(at + 1), gap: false }
    const page = await this.#source.missed(match[1] as string, Number(match[2]), MISSED_MAX)
    if (!page || page.more) return { events: page?.events ?? [], gap: true }
    // The archive runs a little behind: what it has not got yet is still in the ring.
    const archived = new Set(page.events.map(idOf))
    const seq = page.events.at(-1)?.seq ?? Number(match[2])
    const newer = this.#ring.filter(event => event.seq > seq && !archived.has(idOf(event)))
    return { events: [...page.events, ...newer], gap: false }
  }

  #leave(client: Client, finish: () => void): void {
    if (!this.#clients.delete(client)) return
    if (this.#clients.size === 0) this.#stopHeartbeat()
    try {
      finish()
    } catch {
      // the other side closed it first
    }
  }

  #startHeartbeat(): void {
    this.#heartbeat ??= setInterval(() => {
      for (const client of [...this.#clients]) client.send(': heartbeat\n\n')
    }, HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  #stopHeartbeat(): void {
    if (this.#heartbeat) clearInterval(this.#heartbeat)
    this.#heartbeat = null
  }
}

function idOf(event: FleetEvent): string {
  return `${event.journal_id}:${event.seq}`
}

function frame(kind: string, value: unknown, id: string | null): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${kind}\ndata: ${JSON.stringify(value)}\n\n`
}
