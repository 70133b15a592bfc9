/**
 * The packets of MQTT 3.1.1 that a client of the link says and hears, as bytes and back. Pure. A reader holds
 * at most one packet that is not complete; what is no MQTT, or too large, throws MqttFault and ends its
 * connection.
 */
export type MqttPacket =
  | {
      readonly type: 'connect'
      readonly clientId: string
      readonly keepAliveS: number
      readonly username: string | null
      readonly password: string | null
    }
  | { readonly type: 'connack'; readonly code: number }
  | {
      readonly type: 'publish'
      readonly topic: string
      readonly payload: Buffer
      readonly qos: 0 | 1
      readonly retain: boolean
      readonly dup: boolean
      /** 0 with QoS 0. */
      readonly id: number
    }
  | { readonly type: 'puback'; readonly id: number }
  | { readonly type: 'subscribe'; readonly id: number; readonly filters: readonly string[] }
  /** One number a filter: its QoS, or 128 where it was refused. */
  | { readonly type: 'suback'; readonly id: number; readonly granted: readonly number[] }
  | { readonly type: 'unsubscribe'; readonly id: number; readonly filters: readonly string[] }
  | { readonly type: 'unsuback'; readonly id: number }
  | { readonly type: 'pingreq' | 'pingresp' | 'disconnect' }

export const PACKET_MAX_BYTES = 256 * 1024

export class MqttFault extends Error {}

const KINDS = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const
/** What the protocol wants in the low bits of the first byte. */
const RESERVED_FLAGS: ReadonlySet<string> = new Set(['subscribe', 'unsubscribe'])
const CLEAN_SESSION = 0x02
const HAS_PASSWORD = 0x40
const HAS_USERNAME = 0x80
const DUP = 0x08

export function encodePacket(packet: MqttPacket): Buffer {
  const body = bodyOf(packet)
  const flags = packet.type === 'publish' ? publishFlags(packet) : RESERVED_FLAGS.has(packet.type) ? 2 : 0
  const head = [(KINDS[packet.type] << 4) | flags]
  let rest = body.length
  do {
    head.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from(head), body])
}

type Publish = Extract<MqttPacket, { type: 'publish' }>

function publishFlags({ dup, qos, retain }: Publish): number {
  return (dup ? DUP : 0) | (qos << 1) | (retain ? 1 : 0)
}

function bodyOf(packet: MqttPacket): Buffer {
  switch (packet.type) {
    case 'connect':
      return connectBody(packet)
    case 'connack':
      return Buffer.from([0, packet.code])
    case 'publish':
      return Buffer.concat([text(packet.topic), packet.qos > 0 ? short(packet.id) : EMPTY, packet.payload])
    case 'puback':
    case 'unsuback':
      return short(packet.id)
    case 'subscribe':
      return Buffer.concat([short(packet.id), ...packet.filters.flatMap(filter => [text(filter), QOS_1])])
    case 'unsubscribe':
      return Buffer.concat([short(packet.id), ...packet.filters.map(text)])
    case 'suback':
      return Buffer.concat([short(packet.id), Buffer.from(packet.granted)])
    default:
      return EMPTY
  }
}

const EMPTY = Buffer.alloc(0)
const QOS_1 = Buffer.from([1])
const PROTOCOL = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4])

function connectBody({ clientId, keepAliveS, username, password }: MqttPacket & { type: 'connect' }): Buffer {
  const flags =
    CLEAN_SESSION | (username === null ? 0 : HAS_USERNAME) | (password === null ? 0 : HAS_PASSWORD)
  const said = [clientId, username, password].filter(part => part !== null).map(text)
  return Buffer.concat([PROTOCOL, Buffer.from([flags]), short(keepAliveS), ...said])
}

function short(number: number): Buffer {
  return Buffer.from([number >> 8, number & 0xff])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([short(bytes.length), bytes])
}

export class PacketReader {
  #held: Buffer = EMPTY

  /** The packets that are complete now; types a client never hears are left out. Throws MqttFault. */
  take(chunk: Buffer): MqttPacket[] {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const packets: MqttPacket[] = []
    let at = 0
    for (;;) {
      const head = headAt(bytes, at)
      if (head === null || head.bodyAt + head.length > bytes.length) break
      const packet = parse(bytes[at] as number, bytes.subarray(head.bodyAt, head.bodyAt + head.length))
      if (packet) packets.push(packet)
      at = head.bodyAt + head.length
    }
    this.#held = Buffer.from(bytes.subarray(at))
    return packets
  }
}

/** null: not all of it is there. */
function headAt(bytes: Buffer, at: number): { readonly bodyAt: number; readonly length: number } | null {
  let length = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[at + 1 + index]
    if (byte === undefined) return null
    length += (byte & 0x7f) * 128 ** index
    if (length > PACKET_MAX_BYTES) throw new MqttFault('a packet that is too large')
    if (byte < 0x80) return { bodyAt: at + 2 + index, length }
  }
  throw new MqttFault('a length of more than four bytes')
}

function parse(first: number, body: Buffer): MqttPacket | null {
  const bytes = new BodyReader(body)
  switch (first >> 4) {
    case KINDS.connect:
      return parseConnect(bytes)
    case KINDS.connack:
      bytes.byte()
      return { type: 'connack', code: bytes.byte() }
    case KINDS.publish:
      return parsePublish(first, bytes)
    case KINDS.puback:
      return { type: 'puback', id: bytes.short() }
    case KINDS.subscribe:
      return { type: 'subscribe', id: bytes.short(), filters: bytes.texts(1) }
    case KINDS.suback:
      return { type: 'suback', id: bytes.short(), granted: [...bytes.rest()] }
    case KINDS.unsubscribe:
      return { type: 'unsubscribe', id: bytes.short(), filters: bytes.texts(0) }
    case KINDS.unsuback:
      return { type: 'unsuback', id: bytes.short() }
    case KINDS.pingreq:
      return { type: 'pingreq' }
    case KINDS.pingresp:
      return { type: 'pingresp' }
    case KINDS.disconnect:
      return { type: 'disconnect' }
    default:
      return null
  }
}

function parsePublish(first: number, bytes: BodyReader): MqttPacket {
  const qos = (first >> 1) & 3
  // The SDKs subscribe with QoS 1: nothing above it is ever sent to them.
  if (qos > 1) throw new MqttFault('a message of QoS 2')
  const topic = bytes.text()
  const id = qos > 0 ? bytes.short() : 0
  const flags = { retain: (first & 1) === 1, dup: (first & DUP) !== 0 }
  return { type: 'publish', topic, payload: Buffer.from(bytes.rest()), qos: qos as 0 | 1, ...flags, id }
}

function parseConnect(bytes: BodyReader): MqttPacket {
  bytes.skip(PROTOCOL.length)
  const flags = bytes.byte()
  const keepAliveS = bytes.short()
  const clientId = bytes.text()
  const username = flags & HAS_USERNAME ? bytes.text() : null
  const password = flags & HAS_PASSWORD ? bytes.text() : null
  return { type: 'connect', clientId, keepAliveS, username, password }
}

class BodyReader {
  readonly #body: Buffer
  #at = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  skip(bytes: number): void {
    this.#at += bytes
    if (this.#at > this.#body.length) throw new MqttFault('a packet that is too short')
  }

  byte(): number {
    this.skip(1)
    return this.#body[this.#at - 1] as number
  }

  short(): number {
    return this.byte() * 256 + this.byte()
  }

  text(): string {
    const length = this.short()
    this.skip(length)
    return this.#body.toString('utf8', this.#at - length, this.#at)
  }

  /** Each followed by so many bytes. */
  texts(followedBy: number): string[] {
    const texts: string[] = []
    while (this.#at < this.#body.length) {
      texts.push(this.text())
      this.skip(followedBy)
    }
    return texts
  }

  rest(): Buffer {
    return this.#body.subarray(this.#at)
  }
}
