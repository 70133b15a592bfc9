import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { isUlid, ulid } from './ulid.ts'

test('a ULID matches the published example of its time part', () => {
  const made = ulid(1469918176385, count => Buffer.alloc(count))
  assert.equal(made, '01ARYZ6S410000000000000000')
})

test('ULIDs sort by the millisecond they were made in, whatever the random part', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 47), fc.integer({ min: 1, max: 10_000 }), (time, later) => {
      assert.ok(
        ulid(time, count => Buffer.alloc(count, 0xff)) < ulid(time + later, count => Buffer.alloc(count)),
      )
    }),
  )
})

test('ten thousand ULIDs of one millisecond are all different and well formed', () => {
  const made = new Set(Array.from({ length: 10_000 }, () => ulid(1_800_000_000_000, randomBytes)))
  assert.equal(made.size, 10_000)
  for (const id of made) assert.ok(isUlid(id), id)
})

test('what is not a ULID is told apart', () => {
  for (const text of [
    '',
    'K-01ARYZ6S410000000000000000',
    '81ARYZ6S410000000000000000',
    '01ARYZ6S41000000000000000U',
  ]) {
    assert.equal(isUlid(text), false, text)
  }
})
