/**
 * One connection to an MQTT broker, from CONNECT to its end. Says once that it is up and once that it is
 * down, whatever goes wrong, and nothing after that. A broker that answers nothing for too long is left.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { LinkPlace } from './link-place.ts'
import { encodePacket, type MqttPacket, PacketReader } from './mqtt-codec.ts'

export interface ConnectionHears {
  up(): void
  /** Everything but what the connection answers itself. */
  packet(packet: MqttPacket): void
  /** There is room again. */
  drained(): void
  /** `refused`: the broker does not take our name or password. */
  down(reason: string, refused: boolean): void
}

/** The broker is patient with a module that is busy; we ask more often whether it is there. */
const KEEP_ALIVE_S = 60
const ASK_MS = 5000
const CONNECT_MS = 5000
const UNSENT_MAX_BYTES = 1024 * 1024
const REFUSALS = ['', 'protocol', 'client id', 'not now', 'name or password', 'not allowed']

export class MqttConnection {
  readonly #hears: ConnectionHears
  readonly #socket: Socket
  readonly #reader = new PacketReader()
  #isUp = false
  #isOver = false
  /** While it connects: how long that may take. Then: when to ask whether the broker is still there. */
  #timer: NodeJS.Timeout
  #isAsked = false
  #lastId = 0

  constructor({ target, username, password }: LinkPlace, clientId: string, hears: ConnectionHears) {
    this.#hears = hears
    if (target.kind === 'unix') this.#socket = connect(target.path)
    else if (target.kind === 'tcp') this.#socket = connect(target)
    else this.#socket = connectTls({ ...target, servername: target.host })
    const socket = this.#socket
    socket.setNoDelay(true)
    socket.once(target.kind === 'tls' ? 'secureConnect' : 'connect', () =>
      this.send({ type: 'connect', clientId, keepAliveS: KEEP_ALIVE_S, username, password }),
    )
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('drain', () => this.#isUp && hears.drained())
    socket.on('error', error => this.#over(error.message))
    socket.on('close', () => this.#over('the broker closed it'))
    this.#timer = setTimeout(() => this.#over('the broker did not answer'), CONNECT_MS)
  }

  get hasRoom(): boolean {
    return this.#isUp && this.#socket.writableLength < UNSENT_MAX_BYTES
  }

  /** For a packet that is acknowledged. */
  nextId(): number {
    this.#lastId = (this.#lastId % 65_535) + 1
    return this.#lastId
  }

  send(packet: MqttPacket): void {
    if (!this.#isOver) this.#socket.write(encodePacket(packet))
  }

  /** Ends it in good order. */
  end(): void {
    if (this.#isUp) this.send({ type: 'disconnect' })
    this.#isOver = true
    clearInterval(this.#timer)
    this.#socket.end()
  }

  #take(chunk: Buffer): void {
    this.#isAsked = false
    try {
      for (const packet of this.#reader.take(chunk)) if (!this.#isOver) this.#heard(packet)
    } catch (error) {
      this.#over((error as Error).message)
    }
  }

  #heard(packet: MqttPacket): void {
    if (packet.type === 'connack') return this.#answered(packet.code)
    if (!this.#isUp) return this.#over('the broker speaks no MQTT')
    // Handed on first: what was not is said again.
    this.#hears.packet(packet)
    if (packet.type === 'publish' && packet.qos > 0) this.send({ type: 'puback', id: packet.id })
  }

  #answered(code: number): void {
    if (code !== 0)
      return this.#over(`the broker refuses us: ${REFUSALS[code] ?? code}`, code === 4 || code === 5)
    if (this.#isUp) return
    this.#isUp = true
    clearTimeout(this.#timer)
    this.#timer = setInterval(() => this.#ask(), ASK_MS)
    this.#hears.up()
  }

  #ask(): void {
    // When we were busy ourselves its answer may wait to be read: timers come before what arrived.
    if (this.#isAsked) setImmediate(() => this.#isAsked && this.#over('the broker answers no more'))
    else this.send({ type: 'pingreq' })
    this.#isAsked = true
  }

  #over(reason: string, refused = false): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#timer)
    this.#socket.destroy()
    this.#hears.down(reason, refused)
  }
}
