import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodePacket, MqttFault, type MqttPacket, PACKET_MAX_BYTES, PacketReader } from './mqtt-codec.ts'

const id = fc.integer({ min: 1, max: 65_535 })
const text = fc.string({ unit: 'binary', maxLength: 40 }).filter(value => value.isWellFormed())
const filters = fc.array(text, { minLength: 1, maxLength: 3 })
const one = (shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<MqttPacket> =>
  fc.record(shape, { noNullPrototype: true }) as unknown as fc.Arbitrary<MqttPacket>
const is = (type: MqttPacket['type']): fc.Arbitrary<string> => fc.constant(type)
const flags = { retain: fc.boolean(), dup: fc.boolean() }
const payload = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))
const packet = fc.oneof(
  one({
    type: is('connect'),
    clientId: text,
    keepAliveS: fc.integer({ min: 0, max: 65_535 }),
    username: text,
    password: fc.option(text),
  }),
  one({ type: is('connack'), code: fc.integer({ min: 0, max: 5 }) }),
  one({ type: is('publish'), topic: text, payload, qos: fc.constant(1), ...flags, id }),
  one({ type: is('publish'), topic: text, payload, qos: fc.constant(0), ...flags, id: fc.constant(0) }),
  one({ type: fc.constantFrom('puback', 'unsuback'), id }),
  one({ type: fc.constantFrom('subscribe', 'unsubscribe'), id, filters }),
  one({ type: is('suback'), id, granted: fc.array(fc.constantFrom(0, 1, 128), { minLength: 1 }) }),
  one({ type: fc.constantFrom('pingreq', 'pingresp', 'disconnect') }),
)

test('what is written is read again, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 6 }), fc.integer({ min: 1, max: 64 }), (packets, piece) => {
      const bytes = Buffer.concat(packets.map(encodePacket))
      const reader = new PacketReader()
      const read: MqttPacket[] = []
      for (let at = 0; at < bytes.length; at += piece)
        read.push(...reader.take(bytes.subarray(at, at + piece)))
      assert.deepEqual(read, packets)
    }),
  )
})

test('garbage gives packets or a fault, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), chunks => {
      const reader = new PacketReader()
      try {
        for (const chunk of chunks) reader.take(Buffer.from(chunk))
      } catch (error) {
        assert.ok(error instanceof MqttFault, String(error))
      }
    }),
  )
})

test('a packet that is too large is refused when its length is known', () => {
  const head = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])
  assert.throws(() => new PacketReader().take(head), MqttFault)
  const largest = {
    topic: 'a',
    payload: Buffer.alloc(PACKET_MAX_BYTES - 3),
    retain: false,
    dup: false,
    id: 0,
  }
  const bytes = encodePacket({ type: 'publish', qos: 0, ...largest })
  assert.equal(new PacketReader().take(bytes).length, 1)
})

test('bytes are those of the specification', () => {
  const connect = { clientId: 'c', keepAliveS: 10, username: 'u', password: 'p' }
  assert.equal(
    encodePacket({ type: 'connect', ...connect }).toString('hex'),
    '101300044d51545404c2000a000163000175000170',
  )
  const message = { topic: 'a/b', payload: Buffer.from('x'), retain: true, dup: false, id: 7 }
  assert.equal(encodePacket({ type: 'publish', qos: 1, ...message }).toString('hex'), '33080003612f62000778')
  assert.equal(encodePacket({ type: 'subscribe', id: 1, filters: ['#'] }).toString('hex'), '8206000100012301')
})
