/**
 * A broker in this process on real sockets, and what speaks to it: SDK links, stock clients, raw bytes. All
 * of it ends with the test. Waits for conditions with a deadline, never for time.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker } from '../../src/builtin/link/broker.ts'
import { listenUnix } from '../../src/builtin/link/listeners.ts'
import type { Grants } from '../../src/builtin/link/permissions.ts'
import type { Facts } from '../../src/builtin/link/tellings.ts'
import { passwordOf } from '../../src/host/link-access.ts'
import type { LinkPlace } from '../../src/sdk/link-place.ts'
import { FleetLink } from '../../src/sdk/fleet-link.ts'
import { encodePacket, type MqttPacket, PacketReader } from '../../src/sdk/mqtt-codec.ts'

const KEY = Buffer.alloc(32, 7)
const DEADLINE_MS = 15_000

export const GRANTS: Grants = {
  publish: { vida: ['ticks/#'], dani: ['request/teea/order', 'signals/+'], luka: ['#'] },
  subscribe: { dani: ['ticks/#'], luka: ['#'], roko: ['ticks/#', 'signals/+'] },
}

export interface Event extends Facts {
  readonly kind: string
}

export class LinkBench {
  readonly dir = mkdtempSync(join(tmpdir(), 'mark-link-'))
  readonly path = join(this.dir, 'link.sock')
  readonly events: Event[] = []
  readonly warnings: string[] = []
  readonly #links: FleetLink[] = []
  readonly #clients: RawClient[] = []
  readonly #children: ChildProcess[] = []
  #broker: Broker | null = null
  #server: Server | null = null

  static async with(work: (bench: LinkBench) => Promise<void>, settleMs = 0): Promise<void> {
    const bench = new LinkBench()
    await LinkBench.run(bench, async () => {
      await bench.start(settleMs)
      await work(bench)
    })
  }

  /** As `with`, and the broker is not started yet. */
  static async run(bench: LinkBench, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } finally {
      await bench.#end()
    }
  }

  async start(settleMs = 0): Promise<void> {
    const broker = await Broker.open({
      grants: GRANTS,
      key: KEY,
      settleMs,
      tell: (kind, facts) => this.events.push({ kind, ...facts }),
      trouble: error => assert.fail(error),
      wallMs: Date.now,
    })
    this.#broker = broker
    this.#server = await listenUnix(this.path, socket => broker.take(socket))
  }

  /** As a kill does: every connection breaks, and nothing is left of what it held. */
  async stop(): Promise<void> {
    this.#server?.close()
    await this.#broker?.close()
  }

  take(socket: Socket): void {
    this.#broker?.take(socket)
  }

  link(username: string, password = passwordOf(KEY, username), target: LinkPlace['target'] | null = null) {
    const link = new FleetLink({
      place: { target: target ?? { kind: 'unix', path: this.path }, username, password, isOwn: true },
      nowMs: Date.now,
      chance: () => 1,
      warn: text => this.warnings.push(text),
    })
    this.#links.push(link)
    return link
  }

  /** Bytes and packets, without any help. */
  async raw(username: string | null, clientId = 'raw'): Promise<RawClient> {
    const client = new RawClient(this.path)
    this.#clients.push(client)
    if (username !== null) {
      const password = passwordOf(KEY, username)
      client.send({ type: 'connect', clientId, keepAliveS: 0, username, password })
      await until('it is let in', () => client.heard.length > 0)
    }
    return client
  }

  /** mosquitto_pub or mosquitto_sub; what it prints comes line by line. */
  stock(program: 'pub' | 'sub', username: string, ...words: readonly string[]): Stock {
    const login = ['--unix', this.path, '-u', username, '-P', passwordOf(KEY, username)]
    const child = spawn(`mosquitto_${program}`, [...login, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#children.push(child)
    const lines: string[] = []
    let rest = ''
    child.stdout.on('data', chunk => {
      const parts = (rest + String(chunk)).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
    const ended = new Promise<number | null>(resolve => child.on('close', resolve))
    return { child, lines, ended }
  }

  async #end(): Promise<void> {
    for (const link of this.#links) await link.close()
    for (const client of this.#clients) client.socket.destroy()
    for (const child of this.#children) child.kill('SIGKILL')
    await this.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface Stock {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly ended: Promise<number | null>
}

export class RawClient {
  readonly socket: Socket
  readonly heard: MqttPacket[] = []
  isClosed = false

  constructor(path: string) {
    const reader = new PacketReader()
    this.socket = connect(path)
    this.socket.on('data', (chunk: Buffer) => this.heard.push(...reader.take(chunk)))
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
  }

  send(packet: MqttPacket): void {
    this.socket.write(encodePacket(packet))
  }

  publish(topic: string, text: string | Buffer, more: Partial<MqttPacket & { type: 'publish' }> = {}): void {
    const rest = { qos: 0, retain: false, dup: false, id: 0, ...more } as const
    this.send({ type: 'publish', topic, payload: Buffer.from(text), ...rest })
  }

  /** Resolves to the QoS that the broker grants; 128: none. */
  async subscribe(filter: string): Promise<number | undefined> {
    const id = this.heard.length + 1
    this.send({ type: 'subscribe', id, filters: [filter] })
    let answer: MqttPacket | undefined
    await until('the broker answers', () => {
      answer = this.heard.find(packet => packet.type === 'suback' && packet.id === id)
      return answer !== undefined
    })
    return answer?.type === 'suback' ? answer.granted[0] : undefined
  }

  texts(): string[] {
    return this.heard.flatMap(packet => (packet.type === 'publish' ? packet.payload.toString() : []))
  }
}

export async function until(what: string, found: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!found()) {
    if (performance.now() > deadline) assert.fail(`not within ${DEADLINE_MS} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}
