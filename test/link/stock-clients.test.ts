/** Any MQTT client can take part: mosquitto's, with MARK's broker and with modules that use the SDK. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import type { Json } from '../../src/sdk/json-text.ts'
import { LinkBench, until } from './link-bench.ts'

const missing = spawnSync('mosquitto_pub', ['--help']).error !== undefined
const skip = missing ? 'mosquitto-clients is not installed' : false

test('mosquitto_pub speaks and the SDK hears: JSON where it parses, else text; each QoS', {
  skip,
}, async () => {
  await LinkBench.with(async bench => {
    const heard: Json[] = []
    const dani = bench.link('dani')
    dani.subscribe('ticks/#', data => heard.push(data))
    await until('it is up', () => dani.isUp)
    for (const [qos, text] of ['{"bid":1}', 'hello', '17'].entries()) {
      const words = ['-t', 'ticks/a', '-m', text, '-q', String(qos)]
      assert.equal(await bench.stock('pub', 'vida', ...words).ended, 0)
    }
    await until('all came', () => heard.length === 3)
    assert.deepEqual(heard, [{ bid: 1 }, 'hello', 17])
  })
})

test('the SDK speaks and mosquitto_sub hears the envelopes, retained ones first', { skip }, async () => {
  await LinkBench.with(async bench => {
    const vida = bench.link('vida')
    vida.publish('ticks/kept', 1, { retain: true })
    await until('it is up', () => vida.isUp)
    const sub = bench.stock('sub', 'dani', '-t', 'ticks/#', '-q', '1')
    await until('it hears what is retained', () => sub.lines.length === 1)
    for (let n = 2; n < 500; n++) vida.publish('ticks/a', n)
    await until('it hears the rest', () => sub.lines.length === 499)
    const data = sub.lines.map(line => (JSON.parse(line) as { data: Json }).data)
    assert.deepEqual(
      data,
      Array.from({ length: 499 }, (_, at) => at + 1),
    )
  })
})

test('the last will of a client is let through as a message of it is, and no other', { skip }, async () => {
  await LinkBench.with(async bench => {
    const ear = await bench.raw('roko')
    await ear.subscribe('signals/+')
    for (const username of ['vida', 'dani']) {
      const will = ['--will-topic', 'signals/a', '--will-payload', `will of ${username}`, '--will-qos', '1']
      const sub = bench.stock('sub', username, '-t', `reply/${username}/+`, ...will)
      await until('it is there', () =>
        bench.events.some(event => event.client === username && event.what === 'here'),
      )
      sub.child.kill('SIGKILL')
      await until('it is gone', () =>
        bench.events.some(event => event.client === username && event.what === 'gone'),
      )
    }
    await until('the will that is granted came', () => ear.texts().length > 0)
    assert.deepEqual(ear.texts(), ['will of dani'])
  })
})

test('a wrong password ends mosquitto_pub with its own error, and nothing is heard', { skip }, async () => {
  await LinkBench.with(async bench => {
    const luka = await bench.raw('luka')
    await luka.subscribe('ticks/#')
    const pub = bench.stock('pub', 'vida', '-P', 'wrong', '-t', 'ticks/a', '-m', 'forged', '-q', '1')
    assert.notEqual(await pub.ended, 0)
    assert.equal(await bench.stock('pub', 'vida', '-t', 'ticks/a', '-m', 'true').ended, 0)
    await until('the true one came', () => luka.texts().length === 1)
    assert.deepEqual(luka.texts(), ['true'])
  })
})
