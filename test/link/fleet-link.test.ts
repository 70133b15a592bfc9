/** The SDK's end of the link against MARK's broker: nothing lost, nothing twice, orders executed once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refuse, RequestRefused, RequestUnknown } from '../../src/sdk/link-errors.ts'
import type { Ledger } from '../../src/sdk/link-ledger.ts'
import type { Json } from '../../src/sdk/json-text.ts'
import { LinkBench, until } from './link-bench.ts'

/** A ledger that is a map: what matters here is what is asked of it. */
function ledgerOf(map = new Map<string, Json>()): Ledger {
  return {
    get: key => map.get(key),
    set: (async (key: string, value: Json) => void map.set(key, value)) as Ledger['set'],
    delete: ((key: string) => map.delete(key)) as Ledger['delete'],
    entries: () => map.entries(),
    get size() {
      return map.size
    },
  }
}

test('what is published while there is no broker is heard once and in order when there is', async () => {
  const bench = new LinkBench()
  await LinkBench.run(bench, async () => {
    const vida = bench.link('vida')
    const heard: Json[] = []
    bench.link('dani').subscribe('ticks/#', data => heard.push(data))
    for (let n = 0; n < 600; n++) vida.publish('ticks/a', n, { retain: n % 7 === 0 })
    await bench.start(700)
    await until('the first came', () => heard.length > 100)
    await bench.stop()
    for (let n = 600; n < 700; n++) vida.publish('ticks/a', n)
    await bench.start(700)
    await until('all came', () => heard.length >= 700)
    vida.publish('ticks/a', 'last')
    await until('the last came', () => heard.includes('last'))
    assert.deepEqual(heard, [...Array(700).keys(), 'last'])
    assert.equal(vida.dropped, 0)
  })
})

test('a retained message outlives the broker for whoever comes later', async () => {
  await LinkBench.with(async bench => {
    const vida = bench.link('vida')
    vida.publish('ticks/a', { bid: 1 }, { retain: true })
    await until('it is up', () => vida.isUp)
    await bench.stop()
    await bench.start()
    await until('it is back', () => vida.isUp)
    const heard: Json[] = []
    bench.link('roko').subscribe('ticks/a', data => heard.push(data))
    await until('it is handed on', () => heard.length === 1)
    assert.deepEqual(heard, [{ bid: 1 }])
  })
})

test('without a broker nothing blocks or throws; what can never be sent throws at once', async () => {
  const bench = new LinkBench()
  await LinkBench.run(bench, async () => {
    const vida = bench.link('vida')
    for (let n = 0; n < 1500; n++) vida.publish('ticks/a', n)
    assert.equal(vida.dropped, 500)
    assert.throws(() => vida.publish('ticks/+', 1), TypeError)
    assert.throws(() => vida.publish('ticks/a', Number.NaN), TypeError)
    assert.throws(() => vida.publish('ticks/a', 'x'.repeat(300_000)), RangeError)
    await assert.rejects(vida.request('teea', 'order', 1, { timeout: 20 }), RequestUnknown)
  })
})

test('a wrong password and a refused subscription are said once', async () => {
  await LinkBench.with(async bench => {
    bench.link('vida', 'wrong')
    await until('it is said', () => bench.warnings.some(text => /name or password/.test(text)))
    bench.link('roko').subscribe('request/teea/#', () => {})
    await until('it is said', () => bench.warnings.some(text => /less than it asked for/.test(text)))
  })
})

test('a request brings the value, a refusal, or that nobody knows', async () => {
  await LinkBench.with(async bench => {
    const answers: Record<string, () => Json> = {
      fine: () => ({ filled: 1 }),
      refused: () => {
        throw new Refuse('no_margin', 'not enough')
      },
      broken: () => {
        throw new Error('the exchange hung up')
      },
    }
    bench.link('teea').serve('order', data => answers[data as string]?.(), { ledger: ledgerOf() })
    const dani = bench.link('dani')
    assert.deepEqual(await dani.request('teea', 'order', 'fine'), { filled: 1 })
    await assert.rejects(dani.request('teea', 'order', 'refused'), (error: unknown) => {
      return error instanceof RequestRefused && error.code === 'no_margin' && error.message === 'not enough'
    })
    await assert.rejects(dani.request('teea', 'order', 'broken'), (error: unknown) => {
      return error instanceof RequestUnknown && /hung up/.test(error.message)
    })
  })
})

test('a request seen again gets the same reply, and is executed once', async () => {
  await LinkBench.with(async bench => {
    let executed = 0
    bench.link('teea').serve('order', () => ++executed, { ledger: ledgerOf() })
    const dani = await bench.raw('dani')
    await dani.subscribe('reply/dani/+')
    const order = JSON.stringify({ v: 1, id: 'once', ts: 1, expires: Date.now() + 60_000, data: 1 })
    const say = (): void => dani.publish('request/teea/order/dani', order, { qos: 1, id: 5 })
    await until('it is served', () => {
      say()
      return dani.texts().length > 0
    })
    for (let n = 0; n < 20; n++) say()
    const before = dani.texts().length
    await until('each is answered', () => dani.texts().length >= before + 20)
    assert.equal(executed, 1)
    assert.equal(new Set(dani.texts()).size, 1)
    const late = JSON.stringify({ v: 1, id: 'late', ts: 1, expires: Date.now() - 1, data: 1 })
    dani.publish('request/teea/order/dani', late)
    await until('it is refused', () => dani.texts().some(text => text.includes('expired')))
    assert.equal(executed, 1)
  })
})

test('begun before a crash is not executed again: unknown, or what `recover` found out', async () => {
  await LinkBench.with(async bench => {
    const begun = (id: string): Ledger => ledgerOf(new Map([[id, { state: 'begun', expires: 1 }]]))
    const dani = await bench.raw('dani')
    await dani.subscribe('reply/dani/+')
    const answerTo = async (id: string): Promise<string> => {
      const answers = (): string[] => dani.texts().filter(text => text.includes(id))
      await until('it is answered', () => {
        dani.publish('request/teea/order/dani', JSON.stringify({ v: 1, id, ts: 1, expires: 1, data: 'buy' }))
        return answers().length > 1
      })
      assert.equal(new Set(answers()).size, 1)
      return answers()[0] ?? ''
    }
    const never = (): Json => assert.fail('executed twice')
    const first = bench.link('teea')
    first.serve('order', never, { ledger: begun('A1') })
    assert.match(await answerTo('A1'), /"unknown"/)
    await first.close()
    const asked: Json[] = []
    const recover = (id: string, data: Json): Json => {
      asked.push(id, data)
      return 'it was filled'
    }
    bench.link('teea').serve('order', never, { ledger: begun('A2'), recover })
    assert.match(await answerTo('A2'), /it was filled/)
    assert.deepEqual(asked, ['A2', 'buy'])
  })
})

test('a request that was refused is refused for good, though there would be room for it now', async () => {
  await LinkBench.with(async bench => {
    let isFull = true
    const map = new Map<string, Json>()
    const ledger: Ledger = Object.defineProperty(ledgerOf(map), 'size', { get: () => (isFull ? 1e6 : 0) })
    bench.link('teea').serve('order', () => 'executed', { ledger })
    const dani = await bench.raw('dani')
    await dani.subscribe('reply/dani/+')
    const order = JSON.stringify({ v: 1, id: 'A1', ts: 1, expires: Date.now() + 60_000, data: 1 })
    const answers = async (): Promise<void> => {
      const before = dani.texts().length
      await until('it is answered', () => {
        dani.publish('request/teea/order/dani', order)
        return dani.texts().length > before
      })
    }
    await answers()
    isFull = false
    await answers()
    assert.equal(new Set(dani.texts()).size, 1)
    assert.match(dani.texts()[0] ?? '', /"busy"/)
  })
})

test('what cannot be written down is not executed, and is refused', async () => {
  await LinkBench.with(async bench => {
    const full: Ledger = {
      ...ledgerOf(),
      set: (() => Promise.reject(new Error('disk full'))) as Ledger['set'],
    }
    bench.link('teea').serve('order', () => assert.fail('executed'), { ledger: full })
    await assert.rejects(bench.link('dani').request('teea', 'order', 1), (error: unknown) => {
      return error instanceof RequestRefused && error.code === 'ledger'
    })
  })
})
