import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkKey, fromText, type Json, toText } from './json-text.ts'

test('what is JSON comes back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), value => {
      const back = fromText(toText(value as Json))
      assert.equal(JSON.stringify(back), JSON.stringify(value))
    }),
  )
})

test('what is no JSON raises instead of becoming null or going missing', () => {
  const ring: Record<string, unknown> = {}
  ring.ring = ring
  const bad = [Number.NaN, Number.POSITIVE_INFINITY, undefined, { a: undefined }, [undefined], new Date(0)]
  for (const value of [...bad, new Map(), 1n, () => 1, Symbol('a'), ring, [Number.NaN]]) {
    assert.throws(() => toText(value as Json), { code: 'value' })
  }
})

test('a number that Python wrote and JavaScript would round raises', () => {
  assert.throws(() => fromText('{"order":9007199254740993}'), /larger than JavaScript can hold/)
  assert.throws(() => fromText('1e400'), { code: 'value' })
  assert.deepEqual(fromText('{"order":"9007199254740993","n":9007199254740992,"e":1.5e3}'), {
    order: '9007199254740993',
    n: 9007199254740992,
    e: 1500,
  })
  assert.equal(fromText(toText(2 ** 60)), 2 ** 60)
})

test('a key that UTF-8 cannot hold is refused', () => {
  for (const key of ['a\0b', '\ud800', 7, 'x'.repeat(5000)]) {
    assert.throws(() => checkKey(key as string), { code: 'value' })
  }
  checkKey('')
  checkKey('BTC/USDT \u{1f600}')
})
