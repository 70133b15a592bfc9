/** MARK's own broker on real sockets: who is heard, by whom, in what order, and what no client can do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { passwordOf } from '../../src/host/link-access.ts'
import { LinkBench, type RawClient, until } from './link-bench.ts'

test('no name, a wrong password or the password of another: refused and not heard', async () => {
  await LinkBench.with(async bench => {
    const ear = await bench.raw('dani')
    await ear.subscribe('ticks/#')
    const other = passwordOf(Buffer.alloc(32, 7), 'dani')
    for (const [username, password] of [
      ['vida', 'wrong'],
      ['vida', other],
      ['vida', null],
      [null, null],
      ['', ''],
      ['__proto__', 'x'],
    ] as const) {
      const client = await bench.raw(null)
      client.send({ type: 'connect', clientId: 'x', keepAliveS: 0, username, password })
      client.publish('ticks/a', 'forged')
      await until('it is put out', () => client.isClosed)
      assert.deepEqual(
        client.heard.map(packet => packet.type === 'connack' && packet.code),
        [4],
        JSON.stringify([username, password]),
      )
    }
    const vida = await bench.raw('vida')
    vida.publish('ticks/a', 'true')
    await until('it is heard', () => ear.texts().length > 0)
    assert.deepEqual(ear.texts(), ['true'])
    const refused = bench.events.filter(event => event.kind === 'link_refused')
    assert.equal(refused.length, 6)
    assert.deepEqual(refused[0], {
      kind: 'link_refused',
      client: 'vida',
      what: 'connection',
      reason: 'wrong name or password',
    })
  })
})

test('what is not granted reaches nobody, costs nobody the connection, and is told', async () => {
  await LinkBench.with(async bench => {
    const luka = await bench.raw('luka')
    const roko = await bench.raw('roko')
    assert.equal(await luka.subscribe('#'), 1)
    assert.equal(await roko.subscribe('#'), 128)
    assert.equal(await roko.subscribe('request/teea/#'), 128)
    assert.equal(await roko.subscribe('$SYS/#'), 128)
    const vida = await bench.raw('vida')
    for (const topic of [
      'signals/a',
      'mark/presence/vida',
      '$SYS/a',
      'request/teea/order/vida',
      'reply/dani/dani',
    ])
      vida.publish(topic, 'no', { qos: 1, id: 9, retain: true })
    vida.publish('ticks/a', 'yes')
    await until('what is granted comes', () => luka.texts().includes('yes'))
    assert.ok(!luka.texts().includes('no'))
    assert.equal(vida.heard.filter(packet => packet.type === 'puback').length, 5)
    assert.equal(vida.isClosed, false)
    assert.equal(bench.events.filter(event => event.what === 'publish').length, 5)
  })
})

test('requests and replies reach only whom they are for, whatever else is subscribed to', async () => {
  await LinkBench.with(async bench => {
    const luka = await bench.raw('luka')
    const teea = await bench.raw('teea')
    const dani = await bench.raw('dani')
    assert.equal(await luka.subscribe('#'), 1)
    assert.equal(await teea.subscribe('request/teea/order/+'), 1)
    assert.equal(await dani.subscribe('reply/dani/+'), 1)
    dani.publish('request/teea/order/dani', 'buy')
    await until('it is heard', () => teea.texts().includes('buy'))
    teea.publish('reply/dani/teea', 'done')
    await until('it is answered', () => dani.texts().includes('done'))
    dani.publish('signals/a', 'last')
    await until('luka hears what is for all', () => luka.texts().includes('last'))
    assert.deepEqual(
      luka.texts().filter(text => !text.startsWith('{')),
      ['last'],
    )
  })
})

test('messages of one client keep their order, whatever their QoS, retained or not', async () => {
  await LinkBench.with(async bench => {
    const ear = await bench.raw('dani')
    await ear.subscribe('ticks/#')
    const vida = await bench.raw('vida')
    const numbers = Array.from({ length: 3000 }, (_, n) => String(n))
    for (const [n, text] of numbers.entries()) {
      const qos = n % 3 === 0 ? 0 : 1
      vida.publish('ticks/a', text, { qos, id: qos === 0 ? 0 : n + 1, retain: n % 5 === 0 })
    }
    await until('all came', () => ear.texts().length >= numbers.length)
    assert.deepEqual(ear.texts(), numbers)
  })
})

test('in the first second nothing passes; who comes within it hears what was said before', async () => {
  await LinkBench.with(async bench => {
    const vida = await bench.raw('vida')
    vida.publish('ticks/a', 'early', { qos: 1, id: 1 })
    const dani = await bench.raw('dani')
    assert.equal(await dani.subscribe('ticks/#'), 1)
    assert.deepEqual(dani.texts(), [])
    await until('it came', () => dani.texts().length === 1)
    assert.deepEqual(dani.texts(), ['early'])
  }, 400)
})

test('presence is told by the broker, kept, and is gone with the last connection', async () => {
  await LinkBench.with(async bench => {
    const luka = await bench.raw('luka')
    await luka.subscribe('mark/presence/vida')
    await until('a broker says who is missing', () => luka.texts().some(text => text.includes('gone')))
    const first = await bench.raw('vida', 'a')
    const second = await bench.raw('vida', 'b')
    await until('it is here', () => luka.texts().some(text => text.includes('"here"')))
    const late = await bench.raw('roko')
    await late.subscribe('mark/presence/+')
    await until('it is kept', () => late.texts().filter(text => text.includes('"here"')).length >= 2)
    first.socket.destroy()
    await until('the broker knows', () => bench.events.some(event => event.what === 'gone'))
    assert.match(luka.texts().at(-1) ?? '', /"here"/)
    second.socket.destroy()
    await until('it is gone', () => /"gone"/.test(luka.texts().at(-1) ?? ''))
    const { at } = JSON.parse(luka.texts().at(-1) ?? '') as { at: number }
    assert.ok(Number.isInteger(at))
  })
})

test('of two connections with one client id the newer stays; no other module is put out', async () => {
  await LinkBench.with(async bench => {
    const vida = await bench.raw('vida', 'same')
    const dani = await bench.raw('dani', 'same')
    const again = await bench.raw('vida', 'same')
    await until('the older is out', () => vida.isClosed)
    assert.equal(again.isClosed, false)
    assert.equal(dani.isClosed, false)
  })
})

test('those who never say who they are keep nobody out', async () => {
  await LinkBench.with(async bench => {
    const vida = await bench.raw('vida')
    const strangers: RawClient[] = []
    for (let n = 0; n < 1000; n++) strangers.push(await bench.raw(null))
    const dani = await bench.raw('dani')
    await dani.subscribe('ticks/#')
    vida.publish('ticks/a', 'heard')
    await until('it is heard', () => dani.texts().includes('heard'))
    await until('the oldest is put out', () => strangers[0]?.isClosed === true)
    await until('it is told', () => bench.events.some(event => event.reason === 'too many connections'))
  })
})

test('a frame that is too large ends its connection before it is kept, and is told', async () => {
  await LinkBench.with(async bench => {
    const vida = await bench.raw('vida')
    vida.socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))
    await until('it is put out', () => vida.isClosed)
    await until('it is told', () => bench.events.some(event => /frame/.test(event.reason ?? '')))
    const stranger = await bench.raw(null)
    stranger.socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
    await until('it is put out', () => stranger.isClosed)
  })
})

test('a reader that does not read is dropped, and holds up nobody', async () => {
  await LinkBench.with(async bench => {
    const lazy = await bench.raw('dani')
    await lazy.subscribe('ticks/#')
    lazy.socket.pause()
    const keen = await bench.raw('roko')
    await keen.subscribe('ticks/#')
    const vida = await bench.raw('vida')
    const block = Buffer.alloc(200_000, 'x')
    for (let n = 0; n < 100; n++) vida.publish('ticks/a', block)
    await until('the other has all', () => keen.texts().length === 100)
    await until('the lazy one is dropped', () =>
      bench.events.some(event => event.client === 'dani' && event.reason === 'it reads too slowly'),
    )
  })
})

test('no bytes end the broker', async () => {
  await LinkBench.with(async bench => {
    const type = fc.integer({ min: 0, max: 255 })
    const bytes = fc.uint8Array({ maxLength: 120 })
    const garbage = fc.array(fc.tuple(type, bytes), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(garbage, fc.boolean(), fc.boolean(), async (frames, isKnown, isFramed) => {
        const client = await bench.raw(isKnown ? 'luka' : null)
        for (const [first, body] of frames)
          client.socket.write(isFramed ? Buffer.concat([Buffer.from([first, body.length]), body]) : body)
        client.socket.end()
        await until('it is gone', () => client.isClosed)
      }),
      { numRuns: 150 },
    )
    const ear = await bench.raw('dani')
    await ear.subscribe('ticks/#')
    const vida = await bench.raw('vida')
    vida.publish('ticks/a', 'alive')
    await until('it still works', () => ear.texts().includes('alive'))
  })
})
