/**
 * A module's end of the link (docs/link.md): publish, subscribe, request, serve. Promises: nothing blocks or
 * throws because the broker is away; it connects again by itself, says again what may have been lost, and
 * hands on each message once. Outside MARK, or without `link:`, it is as if the broker were away.
 */
import { randomBytes } from 'node:crypto'
import { isFilter, isRequestName, isTopic, matches } from '../contract/module-topic.ts'
import type { Json } from './json-text.ts'
import { type Ledger, RequestLedger } from './link-ledger.ts'
import { LinkOutbox, type Outgoing } from './link-outbox.ts'
import { type LinkPlace, retryMs } from './link-place.ts'
import { LinkRequests } from './link-requests.ts'
import { LinkSeen } from './link-seen.ts'
import { type Handler, LinkServer, type Recover } from './link-server.ts'
import { checkedData, plainData, readEnvelope, writeEnvelope } from './link-text.ts'
import type { MqttPacket } from './mqtt-codec.ts'
import { MqttConnection } from './mqtt-connection.ts'

export interface PublishOptions {
  /** 1 unless asked otherwise. */
  readonly qos?: 0 | 1
  /** Kept by the broker for whoever subscribes later. */
  readonly retain?: boolean
}

export interface ServeOptions {
  /** Of its own: nothing else belongs into this map. */
  readonly ledger: Ledger
  readonly recover?: Recover
}

export interface FleetLinkDeps {
  readonly place: LinkPlace | null
  readonly nowMs: () => number
  /** 0..1, for the jitter. */
  readonly chance: () => number
  /** Something that a person should know, said once each time it begins. */
  readonly warn: (text: string) => void
}

type Receiver = (data: Json, topic: string) => unknown
type Raw = (topic: string, text: string) => void

const TIMEOUT_MS = 10_000
const TOPICS_AN_EPOCH = 100_000
/** More than the outbox can keep. */
const UNSENT_MAX = 4000
const LAST_WORDS_MS = 1000

export class FleetLink {
  readonly #deps: FleetLinkDeps
  readonly #name: string
  readonly #outbox = new LinkOutbox()
  readonly #requests: LinkRequests
  readonly #receivers = new Map<string, Set<Raw>>()
  readonly #inFlight = new Map<number, Outgoing>()
  #seqs = new Map<string, number>()
  #epoch = newEpoch()
  #unsent: Outgoing[] = []
  #connection: MqttConnection | null = null
  #isUp = false
  #isClosed = false
  #attempt = 0
  #retry: NodeJS.Timeout | null = null
  #warned = ''
  #whenSent: (() => void) | null = null

  constructor(deps: FleetLinkDeps) {
    this.#deps = deps
    this.#name = deps.place?.username ?? ''
    const send = (topic: string, text: string): void => this.#sendNow(topic, text)
    this.#requests = new LinkRequests({ nowMs: deps.nowMs, send, from: this.#name })
    this.#connect()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Messages that were given up before the broker had them. */
  get dropped(): number {
    this.#outbox.forget(this.#deps.nowMs())
    return this.#outbox.dropped
  }

  /** Answers at once, whether there is a broker or not. Throws only for what can never be sent. */
  publish(topic: string, data: Json, { qos = 1, retain = false }: PublishOptions = {}): void {
    if (!isTopic(topic)) throw new TypeError(`link: ${JSON.stringify(topic)} is no topic`)
    const text = writeEnvelope({ epoch: this.#epoch, seq: this.#nextSeq(topic), data: checkedData(data) })
    const message = this.#outbox.add({ topic, text, qos, retain }, this.#deps.nowMs())
    if (!this.#isUp) return
    this.#unsent.push(message)
    // A broker that takes nothing must not make us hold more than the outbox does.
    if (this.#unsent.length > UNSENT_MAX) this.#unsent = this.#unsent.filter(unsent => !unsent.isGone)
    this.#pump()
  }

  /** Each message once, in order. Answers the way to end it. */
  subscribe(filter: string, receiver: Receiver): () => void {
    if (!isFilter(filter)) throw new TypeError(`link: ${JSON.stringify(filter)} is no filter of topics`)
    const seen = new LinkSeen()
    return this.#receive(filter, (topic, text) => {
      const envelope = readEnvelope(text)
      if (envelope && !seen.take(topic, envelope.epoch, envelope.seq)) return
      receiver(envelope ? envelope.data : plainData(text), topic)
    })
  }

  /** Resolves to the value; rejects with RequestRefused (not executed) or RequestUnknown (perhaps). */
  async request(
    to: string,
    name: string,
    data: Json,
    { timeout = TIMEOUT_MS }: { timeout?: number } = {},
  ): Promise<Json> {
    if (!isRequestName(to) || !isRequestName(name))
      throw new TypeError('link: `to` and `name` are one level each')
    const replies = `reply/${this.#name}/+`
    if (!this.#receivers.has(replies))
      this.#receive(replies, (topic, text) => this.#requests.heard(topic.split('/')[2] ?? '', text))
    return await this.#requests.ask(to, name, checkedData(data), timeout)
  }

  /** Executes each request of this name once. Answers the way to end it. */
  serve(name: string, handler: Handler, { ledger, recover }: ServeOptions): () => void {
    if (!isRequestName(name)) throw new TypeError('link: a name is one level of a topic')
    const server = new LinkServer({
      ledger: new RequestLedger(ledger),
      handler,
      recover: recover ?? null,
      nowMs: this.#deps.nowMs,
      reply: (to, reply) => this.#sendNow(`reply/${to}/${this.#name}`, JSON.stringify(reply)),
    })
    return this.#receive(`request/${this.#name}/${name}/+`, (topic, text) => {
      void server.heard(topic.split('/')[3] ?? '', text)
    })
  }

  /** What is not sent yet has a second; then it ends for good. */
  async close(): Promise<void> {
    if (this.#isUp && this.#hasUnsent()) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, LAST_WORDS_MS)
        this.#whenSent = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#isClosed = true
    this.#isUp = false
    if (this.#retry) clearTimeout(this.#retry)
    this.#connection?.end()
    this.#connection = null
  }

  #connect(): void {
    const { place } = this.#deps
    if (place === null || this.#isClosed) return
    const clientId = `sdk-${randomBytes(8).toString('hex')}`
    this.#connection = new MqttConnection(place, clientId, {
      up: () => this.#came(),
      packet: packet => this.#heard(packet),
      drained: () => this.#pump(),
      down: (reason, refused) => this.#lost(reason, refused),
    })
  }

  /** First who we hear, so that nothing is missed; then, in their order, what others may have missed. */
  #came(): void {
    this.#isUp = true
    this.#attempt = 0
    this.#warned = ''
    if (this.#receivers.size > 0) this.#ask('subscribe', [...this.#receivers.keys()])
    this.#unsent = this.#outbox.replay(this.#deps.nowMs())
    this.#pump()
    this.#requests.sayAgain()
  }

  #lost(reason: string, refused: boolean): void {
    this.#connection = null
    this.#isUp = false
    this.#unsent = []
    this.#inFlight.clear()
    const { place, chance } = this.#deps
    if (this.#isClosed || place === null) return
    // MARK tells of its own broker itself.
    if (refused || !place.isOwn) this.#warn(`the link is closed to ${this.#name}: ${reason}`)
    const delayMs = retryMs(this.#attempt++, place.isOwn) * (0.5 + chance() / 2)
    this.#retry = setTimeout(() => this.#connect(), delayMs)
  }

  #heard(packet: MqttPacket): void {
    if (packet.type === 'publish') this.#deliver(packet.topic, packet.payload.toString('utf8'))
    if (packet.type === 'puback') {
      const message = this.#inFlight.get(packet.id)
      this.#inFlight.delete(packet.id)
      if (message) message.isTaken = true
      this.#pump()
    }
    if (packet.type === 'suback' && packet.granted.includes(128))
      this.#warn(
        `the broker lets ${this.#name} hear less than it asked for: see \`subscribe:\` under \`link:\``,
      )
  }

  /** Each receiver on its own: what it throws is the module's to see. */
  #deliver(topic: string, text: string): void {
    for (const [filter, receivers] of this.#receivers) {
      if (!matches(filter, topic)) continue
      for (const receive of receivers) queueMicrotask(() => receive(topic, text))
    }
  }

  #receive(filter: string, receive: Raw): () => void {
    const receivers = this.#receivers.get(filter) ?? new Set()
    this.#receivers.set(filter, receivers.add(receive))
    if (this.#isUp) this.#ask('subscribe', [filter])
    return () => {
      if (!receivers.delete(receive) || receivers.size > 0) return
      this.#receivers.delete(filter)
      if (this.#isUp) this.#ask('unsubscribe', [filter])
    }
  }

  #ask(type: 'subscribe' | 'unsubscribe', filters: readonly string[]): void {
    const connection = this.#connection
    if (connection) connection.send({ type, id: connection.nextId(), filters })
  }

  /** As much as the broker takes. */
  #pump(): void {
    const connection = this.#connection
    let sent = 0
    while (connection?.hasRoom && sent < this.#unsent.length && this.#inFlight.size < 65_000) {
      const message = this.#unsent[sent++] as Outgoing
      if (!message.isGone) this.#send(connection, message)
    }
    this.#unsent.splice(0, sent)
    if (!this.#hasUnsent()) this.#whenSent?.()
  }

  #send(connection: MqttConnection, message: Outgoing): void {
    const { topic, qos, retain } = message
    const id = qos > 0 ? this.#freeId(connection) : 0
    connection.send({
      type: 'publish',
      topic,
      payload: Buffer.from(message.text),
      qos,
      retain,
      dup: false,
      id,
    })
    if (qos > 0) this.#inFlight.set(id, message)
    else message.isTaken = true
  }

  #hasUnsent(): boolean {
    return this.#unsent.length + this.#inFlight.size > 0
  }

  /** Requests and replies: they have a memory of their own, and are said again by it. */
  #sendNow(topic: string, text: string): void {
    const connection = this.#connection
    if (!connection?.hasRoom) return
    const id = this.#freeId(connection)
    connection.send({
      type: 'publish',
      topic,
      payload: Buffer.from(text),
      qos: 1,
      retain: false,
      dup: false,
      id,
    })
  }

  #freeId(connection: MqttConnection): number {
    for (;;) {
      const id = connection.nextId()
      if (!this.#inFlight.has(id)) return id
    }
  }

  #nextSeq(topic: string): number {
    if (this.#seqs.size >= TOPICS_AN_EPOCH && !this.#seqs.has(topic)) {
      this.#seqs = new Map()
      this.#epoch = newEpoch()
    }
    const seq = (this.#seqs.get(topic) ?? 0) + 1
    this.#seqs.set(topic, seq)
    return seq
  }

  #warn(text: string): void {
    if (text !== this.#warned) this.#deps.warn(text)
    this.#warned = text
  }
}

function newEpoch(): string {
  return randomBytes(12).toString('base64url')
}
