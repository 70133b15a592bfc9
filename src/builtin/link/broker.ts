/**
 * MARK's own MQTT broker (docs/link.md): aedes, with everything that a fleet needs checked here. Promises:
 * only who proves its name is heard, what is not granted reaches nobody, messages of one client keep their
 * order, nothing passes in the first second, and whatever a client sends harms only its own connection.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  Aedes,
  type AedesPublishPacket,
  type Client,
  type ConnectPacket,
  type PublishPacket,
  type Subscription,
} from 'aedes'
import { passwordOf } from '../../host/link-access.ts'
import { type Grants, Permissions } from './permissions.ts'
import { Presence } from './presence.ts'
import { Retained } from './retained.ts'
import { Tellings, type Tell } from './tellings.ts'
import { Turnstile } from './turnstile.ts'
import { Wire } from './wire.ts'

export interface BrokerOptions {
  readonly grants: Grants
  readonly key: Buffer
  /** How long nothing passes, so that everybody is back before the first message flows. */
  readonly settleMs: number
  readonly tell: Tell
  /** What went wrong in the broker itself. */
  readonly trouble: (error: Error) => void
  readonly wallMs: () => number
}

const CONNECTIONS_MAX = 1000
const SUBSCRIPTIONS_MAX = 1000
const CONNECT_MS = 5000
const UNFINISHED_QOS2_MAX = 100
/** What is refused goes here: nobody may hear a topic that begins with `$`. */
const NOWHERE = '$refused'
const NAME = /^[a-z][a-z0-9_-]{0,62}$/

export class Broker {
  readonly #options: BrokerOptions
  readonly #aedes: Aedes
  readonly #permissions: Permissions
  readonly #turnstile = new Turnstile<Client>()
  readonly #retained = new Retained()
  readonly #tellings: Tellings
  readonly #presence: Presence<Client>
  readonly #modules = new WeakMap<Client, string>()
  readonly #faults = new WeakMap<Client, string>()
  readonly #wires = new Set<Wire>()
  /** Those of #wires whose name is not proven. */
  readonly #strangers = new Set<Duplex>()
  #settle: NodeJS.Timeout | null = null

  private constructor(options: BrokerOptions) {
    this.#options = options
    this.#permissions = new Permissions(options.grants)
    this.#tellings = new Tellings(options.tell)
    this.#presence = new Presence({
      wallMs: options.wallMs,
      publish: (topic, payload) => this.#publish(topic, payload),
    })
    this.#aedes = new Aedes({
      connectTimeout: CONNECT_MS,
      // Wire answers `wait` only when far too much waits already.
      drainTimeout: 1,
      maxInflightInbound: UNFINISHED_QOS2_MAX,
      maxClientsIdLength: 1000,
      preConnect: (_client, packet, done) => {
        ownSession(packet)
        done(null, true)
      },
      authenticate: (client, username, password, done) => {
        if (this.#isProven(client, username, password)) return done(null, true)
        done(Object.assign(new Error('wrong name or password'), { returnCode: 4 }), null)
      },
      authorizePublish: (client, packet, done) => this.#admit(client, packet, done),
      authorizeSubscribe: (client, asked, done) => done(null, this.#allowed(client, asked)),
      authorizeForward: (client, packet) => this.#forwarded(client, packet),
      published: (packet, client, done) => {
        done()
        if (client && packet.qos !== 2) this.#turnstile.passed(client)
      },
    } as ConstructorParameters<typeof Aedes>[0])
    this.#listen()
  }

  static async open(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options)
    await broker.#aedes.listen()
    broker.#settle = setTimeout(() => broker.#open(), options.settleMs)
    return broker
  }

  /** A new connection. */
  take(socket: Socket): void {
    const wire = new Wire(socket)
    this.#wires.add(wire)
    this.#strangers.add(wire)
    wire.once('close', () => {
      this.#wires.delete(wire)
      this.#strangers.delete(wire)
    })
    this.#aedes.handle(wire)
    if (this.#wires.size <= CONNECTIONS_MAX) return
    // Whoever has not said who it is must not keep those out who can.
    const [oldest = wire] = this.#strangers
    oldest.destroy(new Error('too many connections'))
  }

  async close(): Promise<void> {
    if (this.#settle) clearTimeout(this.#settle)
    await new Promise<void>(resolve => this.#aedes.close(resolve))
    for (const wire of this.#wires) wire.destroy()
  }

  #listen(): void {
    this.#aedes.on('client', client => {
      const module = this.#nameOf(client)
      this.#strangers.delete(client.conn as Duplex)
      this.#presence.came(module, client)
      this.#tellings.tell('link_client', { client: module, what: 'here' })
    })
    this.#aedes.on('clientDisconnect', client => {
      const module = this.#nameOf(client)
      const reason = this.#faults.get(client)
      this.#turnstile.forget(client)
      this.#presence.left(module, client)
      this.#tellings.tell('link_client', { client: module, what: 'gone', ...(reason && { reason }) })
    })
    this.#aedes.on('clientError', (client, error) => this.#faults.set(client, reasonOf(error)))
    this.#aedes.on('connectionError', (_client, error) =>
      this.#tellings.tell('link_refused', { what: 'connection', reason: reasonOf(error) }),
    )
    // A client's fault must not end the broker; what is the broker's own is for its log.
    const emitter: EventEmitter = this.#aedes
    emitter.on('error', this.#options.trouble)
  }

  #isProven(client: Client, username: string | undefined, password: Buffer | undefined): boolean {
    const isName = username !== undefined && NAME.test(username)
    const expected = Buffer.from(passwordOf(this.#options.key, username ?? ''))
    const isRight = password?.length === expected.length && timingSafeEqual(password, expected)
    if (isName && isRight) {
      this.#modules.set(client, username)
      return true
    }
    this.#tellings.tell('link_refused', {
      client: isName ? username : '?',
      what: 'connection',
      reason: 'wrong name or password',
    })
    return false
  }

  /** A message that is not granted is taken and goes nowhere: MQTT 3.1.1 has no other way to say no. */
  #admit(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    if (client === null) return done(null)
    const module = this.#nameOf(client)
    if (!this.#permissions.mayPublish(module, packet.topic)) {
      this.#tellings.tell('link_refused', { client: module, what: 'publish', topic: packet.topic })
      Object.assign(packet, { topic: NOWHERE, payload: Buffer.alloc(0), retain: false })
    } else if (packet.retain && !this.#retained.take(packet.topic, packet.payload.length)) {
      this.#tellings.tell('link_refused', { client: module, what: 'retain', topic: packet.topic })
      packet.retain = false
    }
    // A client that has gone has left its will, and nothing else is under way.
    if (client.closed) this.#turnstile.whenOpen(() => done(null))
    else this.#turnstile.enter(client, () => this.#pass(client, packet, done))
  }

  /** One of QoS 2 that was sent twice is never published again: nobody would say that it has passed. */
  #pass(client: Client, packet: PublishPacket, done: (error: null) => void): void {
    done(null)
    if (packet.qos === 2) this.#turnstile.passed(client)
  }

  /** Never with QoS 2: aedes would send it also to those who asked for less. */
  #forwarded(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    if (!this.#permissions.mayReceive(this.#nameOf(client), packet.topic)) return null
    if (packet.qos === 2) packet.qos = 1
    return packet
  }

  #allowed(client: Client, asked: Subscription): Subscription | null {
    const module = this.#nameOf(client)
    const { subscriptions } = client as unknown as { subscriptions: object }
    const isFull = Object.keys(subscriptions).length >= SUBSCRIPTIONS_MAX
    if (!isFull && this.#permissions.maySubscribe(module, asked.topic)) return asked
    this.#tellings.tell('link_refused', { client: module, what: 'subscribe', topic: asked.topic })
    return null
  }

  #open(): void {
    this.#turnstile.open()
    this.#presence.sayMissing(this.#permissions.names())
  }

  #publish(topic: string, payload: string): void {
    const packet = { cmd: 'publish', topic, payload, qos: 1, retain: true, dup: false } as const
    this.#aedes.publish(packet, () => {})
  }

  #nameOf(client: Client): string {
    return this.#modules.get(client) ?? ''
  }
}

function reasonOf({ message }: Error): string {
  return message === 'drain timeout' ? 'it reads too slowly' : message
}

/** Sessions end with their connection, and nobody takes over another module's by its client id. */
function ownSession(packet: ConnectPacket): void {
  packet.clean = true
  packet.clientId = `${packet.username ?? ''}/${packet.clientId || randomUUID()}`
}
