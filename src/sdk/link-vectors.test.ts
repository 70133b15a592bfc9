/** The cases of test/vectors/link.json that concern what an SDK writes, reads and decides. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isRequestName } from '../contract/module-topic.ts'
import type { Json } from './json-text.ts'
import { RequestRefused, RequestUnknown } from './link-errors.ts'
import { type Case, decide, type Deed, RequestLedger } from './link-ledger.ts'
import { LinkOutbox, WINDOW_MS } from './link-outbox.ts'
import { retryMs } from './link-place.ts'
import { LinkRequests } from './link-requests.ts'
import { LinkSeen } from './link-seen.ts'
import * as text from './link-text.ts'

interface Outcome {
  readonly is: 'value' | 'refused' | 'unknown' | 'ignored'
  readonly value?: Json
  readonly code?: string
  readonly message?: string
}
interface Vectors {
  readonly envelopes: {
    readonly written: (text.Envelope & { text: string })[]
    readonly read: { readonly cases: { text: string; envelope: boolean; data: Json }[] }
  }
  readonly dedupe: {
    readonly cases: { name: string; messages: { topic: string; text: string }[]; handed: Json[] }[]
  }
  readonly replay: {
    readonly window_ms: number
    readonly cases: {
      name: string
      now_ms: number
      published: { at_ms: number; topic: string; retain: boolean }[]
      sends: number[]
    }[]
  }
  readonly requests: {
    readonly names: { good: string[]; bad: string[] }
    readonly topics: { to: string; name: string; from: string; request: string; reply: string }[]
    readonly written: (text.Request & { text: string })[]
    readonly ignored: { readonly texts: string[] }
    readonly replies: { readonly cases: { text: string; outcome: Outcome }[] }
    readonly ledger: {
      readonly cases: (Case & { does: Deed })[]
      readonly entries: { begun: Json; done: Json }
    }
  }
  readonly reconnect_ms: { readonly own: number[]; readonly broker: number[] }
}

const file = new URL('../../test/vectors/link.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors

test('envelopes are written as the vectors have them', () => {
  for (const { text: expected, ...envelope } of vectors.envelopes.written)
    assert.deepEqual(JSON.parse(text.writeEnvelope(envelope)), JSON.parse(expected))
})

for (const { text: payload, envelope, data } of vectors.envelopes.read.cases) {
  test(`${envelope ? 'an envelope' : 'no envelope'}: ${payload}`, () => {
    const read = text.readEnvelope(payload)
    assert.equal(read !== null, envelope)
    assert.deepEqual(read ? read.data : text.plainData(payload), data)
  })
}

for (const { name, messages, handed } of vectors.dedupe.cases) {
  test(`a receiver: ${name}`, () => {
    const seen = new LinkSeen()
    const got = messages.flatMap(({ topic, text: payload }) => {
      const envelope = text.readEnvelope(payload)
      if (envelope && !seen.take(topic, envelope.epoch, envelope.seq)) return []
      return [envelope ? envelope.data : text.plainData(payload)]
    })
    assert.deepEqual(got, handed)
  })
}

for (const { name, now_ms, published, sends } of vectors.replay.cases) {
  test(`after a reconnection: ${name}`, () => {
    assert.equal(vectors.replay.window_ms, WINDOW_MS)
    const outbox = new LinkOutbox()
    published.forEach(({ at_ms, topic, retain }, index) => {
      outbox.add({ topic, text: String(index), qos: 1, retain }, at_ms)
    })
    assert.deepEqual(
      outbox.replay(now_ms).map(message => Number(message.text)),
      sends,
    )
  })
}

test('the outbox is bounded, and counts what nobody can have heard', () => {
  const outbox = new LinkOutbox()
  for (let n = 0; n < 1500; n++) {
    const message = outbox.add({ topic: 'a', text: `${n}`, qos: 1, retain: false }, 1)
    if (n < 100) message.isTaken = true
  }
  assert.equal(outbox.replay(2).length, 1000)
  assert.equal(outbox.dropped, 400)
  const huge = { topic: 'a', text: 'x'.repeat(3_000_000), qos: 1, retain: false } as const
  outbox.add(huge, 3)
  outbox.add(huge, 3)
  assert.equal(outbox.replay(3).length, 1)
})

test('requests are written as the vectors have them, and what is none is ignored', () => {
  for (const { text: expected, ...request } of vectors.requests.written) {
    assert.deepEqual(JSON.parse(text.writeRequest(request)), JSON.parse(expected))
    assert.deepEqual(text.readRequest(expected), request)
  }
  assert.deepEqual(
    vectors.requests.ignored.texts.map(text.readRequest),
    vectors.requests.ignored.texts.map(() => null),
  )
  assert.deepEqual(vectors.requests.names.good.filter(isRequestName), vectors.requests.names.good)
  assert.deepEqual(vectors.requests.names.bad.filter(isRequestName), [])
})

for (const { text: payload, outcome } of vectors.requests.replies.cases) {
  test(`a reply means ${outcome.is}: ${payload}`, async () => {
    const sent: { topic: string; text: string }[] = []
    const requests = new LinkRequests({
      nowMs: () => 1,
      send: (topic, said) => sent.push({ topic, text: said }),
      from: 'dani',
    })
    const asked = requests.ask('teea', 'order', 1, outcome.is === 'ignored' ? 20 : 10_000)
    const settled = asked.then(
      value => ({ is: 'value', value }),
      error => error as Error,
    )
    assert.equal(sent[0]?.topic, 'request/teea/order/dani')
    const { id } = text.readRequest(sent[0]?.text ?? '') as text.Request
    requests.heard('vida', payload.replace('01HZZZZZZZZZZZZZZZZZZZZZZZ', id))
    requests.heard('teea', payload.replace('01HZZZZZZZZZZZZZZZZZZZZZZZ', id))
    const found = await settled
    if (outcome.is === 'value') assert.deepEqual(found, { is: 'value', value: outcome.value })
    else if (outcome.is === 'refused') {
      assert.ok(found instanceof RequestRefused)
      assert.deepEqual([found.code, found.message], [outcome.code, outcome.message])
    } else {
      assert.ok(found instanceof RequestUnknown)
      assert.match(found.message, outcome.is === 'unknown' ? /who knows/ : /no reply/)
    }
  })
}

for (const { does, ...given } of vectors.requests.ledger.cases) {
  test(`a request is ${does}: ${JSON.stringify(given)}`, () => {
    assert.equal(decide(given), does)
  })
}

test('ledger entries are as the vectors have them; none whose time is not over is given up', async () => {
  const map = new Map<string, Json>(Object.entries(vectors.requests.ledger.entries))
  const ledger = new RequestLedger({
    get: key => map.get(key),
    set: (async (key: string, value: Json) => void map.set(key, value)) as never,
    delete: (key: string) => map.delete(key) as never,
    entries: () => map.entries(),
    get size() {
      return map.size
    },
  })
  assert.deepEqual(
    [ledger.get('begun')?.state, ledger.get('done')?.state, ledger.get('none')],
    ['begun', 'done', null],
  )
  const nowMs = 1_732_300_020_000
  assert.ok(ledger.makeRoom(nowMs))
  assert.equal(map.size, 2, 'a day is not over')
  assert.ok(ledger.makeRoom(nowMs + 2 * 86_400_000))
  assert.equal(map.size, 0)
  for (let n = 0; n < 100_000; n++) map.set(`${n}`, { state: 'begun', expires: nowMs * 2 })
  assert.equal(ledger.makeRoom(nowMs + 3 * 86_400_000), false)
  assert.equal(map.size, 100_000)
})

test('it connects again after ever longer, up to a bound', () => {
  assert.deepEqual(
    vectors.reconnect_ms.own.map((_, at) => retryMs(at, true)),
    vectors.reconnect_ms.own,
  )
  assert.deepEqual(
    vectors.reconnect_ms.broker.map((_, at) => retryMs(at, false)),
    vectors.reconnect_ms.broker,
  )
})
