import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mergeByTime } from './merge-lines.ts'

test('lines of two modules come by time', () => {
  const a = [
    { timeMs: 1, text: 'a1' },
    { timeMs: 5, text: 'a5' },
  ]
  const b = [{ timeMs: 3, text: 'b3' }]
  assert.deepEqual(
    mergeByTime([a, b]).map(line => line.text),
    ['a1', 'b3', 'a5'],
  )
})

test('a traceback stays in one piece below its error', () => {
  const a = [
    { timeMs: 1, text: 'Error' },
    { timeMs: null, text: '  at x' },
    { timeMs: null, text: '  at y' },
  ]
  const b = [
    { timeMs: 1, text: 'b' },
    { timeMs: 2, text: 'b2' },
  ]
  assert.deepEqual(
    mergeByTime([a, b]).map(line => line.text),
    ['Error', '  at x', '  at y', 'b', 'b2'],
  )
})

test('each module’s own order is kept and no line is lost, whatever its clock says', () => {
  const line = fc.record({ timeMs: fc.option(fc.integer({ min: 0, max: 50 })), id: fc.integer() })
  fc.assert(
    fc.property(fc.array(fc.array(line), { maxLength: 4 }), streams => {
      const merged = mergeByTime(streams)
      assert.equal(merged.length, streams.flat().length)
      for (const stream of streams)
        assert.deepEqual(
          merged.filter(item => stream.includes(item)),
          stream,
        )
    }),
  )
})
