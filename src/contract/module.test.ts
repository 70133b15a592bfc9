import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  encodeMark,
  type MarkMessage,
  MODULE_LINE_MAX_BYTES,
  type ModuleMessage,
  parseModuleLine,
  TRACEBACK_MAX_CHARS,
} from './module.ts'

const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/module-protocol.json', import.meta.url), 'utf8'),
) as {
  module: ModuleMessage[]
  mark: MarkMessage[]
  tolerated: { line: string; message: ModuleMessage | null }[]
  refused: { name: string; line: string }[]
}

for (const message of vectors.module) {
  test(`a module's ${message.type} is read as it was written: ${JSON.stringify(message)}`, () => {
    assert.deepEqual(parseModuleLine(JSON.stringify(message)), message)
  })
}

test('what MARK writes is one line that holds exactly its message', () => {
  for (const message of vectors.mark) {
    const line = encodeMark(message)
    assert.equal(line.indexOf('\n'), line.length - 1)
    assert.deepEqual(JSON.parse(line), message)
  }
})

for (const { line, message } of vectors.tolerated) {
  test(`what is newer than this version is left out: ${line}`, () => {
    assert.deepEqual(parseModuleLine(line), message)
  })
}

for (const { name, line } of vectors.refused) {
  test(`refused with a reason: ${name}`, () => {
    const parsed = parseModuleLine(line)
    assert.ok(parsed !== null && 'refused' in parsed, JSON.stringify(parsed))
    assert.ok(parsed.refused.length > 10)
  })
}

test('null stands for an optional field that is not there, except where it has a meaning', () => {
  assert.deepEqual(parseModuleLine('{"type":"heartbeat","seq":1,"state":null,"feeds":null}'), {
    type: 'heartbeat',
    seq: 1,
  })
  assert.deepEqual(parseModuleLine('{"type":"degraded","reason":null}'), { type: 'degraded', reason: null })
})

test('an event is of a known kind, and holds texts alone', () => {
  const event = { type: 'event', kind: 'link_client', data: { client: 'vida', what: 'here' } }
  assert.deepEqual(parseModuleLine(JSON.stringify(event)), event)
  for (const wrong of [{ kind: 'exited' }, { data: { pid: 1 } }, { data: null }])
    assert.ok(
      'refused' in (parseModuleLine(JSON.stringify({ ...event, ...wrong })) ?? {}),
      JSON.stringify(wrong),
    )
})

test('a traceback is cut at its bound', () => {
  const crash = { type: 'crash', error: { type: 'E' }, traceback: 'x'.repeat(40_000) }
  const parsed = parseModuleLine(JSON.stringify(crash)) as { traceback: string }
  assert.equal(parsed.traceback.length, TRACEBACK_MAX_CHARS)
})

test('names of the language itself are no types and no prototypes', () => {
  for (const type of ['__proto__', 'constructor', 'toString'])
    assert.equal(parseModuleLine(JSON.stringify({ type })), null)
  const line = '{"type":"metric","name":"a","value":1,"labels":{"__proto__":"x"}}'
  const { labels } = parseModuleLine(line) as { labels: object }
  assert.equal(Object.getPrototypeOf(labels), Object.prototype)
  assert.deepEqual(Object.keys(labels), ['__proto__'])
})

test('no line throws, and what is read again is the same', () => {
  const type = fc.constantFrom(...vectors.module.map(message => message.type))
  const keys = fc.constantFrom('seq', 'id', 'state', 'feeds', 'labels', 'error', 'reason', 'ok', 'code', 'v')
  const odd = fc.dictionary(keys, fc.jsonValue(), { noNullPrototype: true })
  fc.assert(
    fc.property(type, odd, fc.string(), (kind, fields, garbage) => {
      parseModuleLine(garbage)
      const parsed = parseModuleLine(JSON.stringify({ ...fields, type: kind }))
      if (parsed === null || 'refused' in parsed) return
      assert.deepEqual(parseModuleLine(JSON.stringify(parsed)), parsed)
    }),
  )
  parseModuleLine('['.repeat(MODULE_LINE_MAX_BYTES))
})
