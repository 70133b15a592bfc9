import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ModuleMessage, parseModuleLine } from '../contract/module.ts'
import { crashOf } from './crash-report.ts'
import { parseMarkLine } from './incoming-line.ts'
import { lineOf } from './outgoing-line.ts'

const VECTORS = join(import.meta.dirname, '..', '..', 'test', 'vectors', 'module-protocol.json')
const vectors = JSON.parse(readFileSync(VECTORS, 'utf8')) as { module: ModuleMessage[]; mark: object[] }
const said = (message: unknown): unknown => {
  const line = lineOf(message as ModuleMessage)
  return line === null ? null : parseModuleLine(line)
}

test('what the SDK writes is what every implementation reads', () => {
  for (const message of vectors.module) {
    const line = lineOf(message) as string
    assert.ok(line.endsWith('\n'))
    assert.deepEqual(parseModuleLine(line), message)
  }
})

test('what MARK says is read in full, newer words are passed over', () => {
  for (const message of vectors.mark) {
    assert.deepEqual(parseMarkLine(JSON.stringify({ ...message, newer: 1 })), message)
  }
  for (const line of ['', '{', '[]', 'null', '{"type":"sing"}', '{"type":"welcome","v":2}']) {
    assert.equal(parseMarkLine(line), null)
  }
  assert.deepEqual(parseMarkLine('{"type":"halt","level":"scorch"}'), { type: 'halt', level: 'halt' })
})

test('a slip in a figure costs that figure, not the connection', () => {
  const heartbeat = {
    type: 'heartbeat',
    seq: 1,
    state: 'flying',
    positions: '2',
    exposure: Number.NaN,
    ts: 5,
  }
  assert.deepEqual(said(heartbeat), { type: 'heartbeat', seq: 1, ts: 5 })
  assert.equal(said({ type: 'metric', name: 'a', value: Number.NaN }), null)
  assert.equal(said({ type: 'closing', code: 'x' }), null)
})

test('every line that goes out is short enough and understood, whatever is put in', () => {
  const anything = fc.anything()
  const message = fc.record({
    type: fc.constantFrom('heartbeat', 'metric', 'crash', 'degraded', 'closing'),
    seq: fc.nat(),
    feeds: anything,
    state: anything,
    reason: anything,
    name: anything,
    value: anything,
    error: anything,
  })
  fc.assert(
    fc.property(message, given => {
      const line = lineOf(given as unknown as ModuleMessage)
      if (line === null) return
      assert.ok(Buffer.byteLength(line) <= 65_536)
      assert.ok(!('refused' in (parseModuleLine(line) ?? { refused: '' })))
    }),
  )
})

test('texts and lists of any length fit in a line', () => {
  const long = '\u0001'.repeat(200_000)
  const crash = lineOf({ type: 'crash', error: { type: 'Error', message: long }, traceback: long }) as string
  assert.ok(Buffer.byteLength(crash) <= 65_536)
  const feeds = Array.from({ length: 10_000 }, (_, i) => ({ name: `feed ${i}`, last_tick_ts: i }))
  assert.deepEqual(said({ type: 'heartbeat', seq: 1, feeds }), { type: 'heartbeat', seq: 1 })
})

test('anything that was thrown can be told', () => {
  const odd = Object.create(null) as object
  for (const thrown of [new TypeError('a'), 'text', undefined, null, odd, 7n]) {
    assert.ok(lineOf(crashOf(thrown)))
  }
})
