import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secretSpellings } from './secret-spellings.ts'

test('values that would mask half of any log have no spellings', () => {
  assert.deepEqual(secretSpellings(['', 'short', '      \n   ', 'x'.repeat(70_000)]), [])
})

test('longer spellings stand before shorter ones, so that none leaves a piece of another', () => {
  const all = secretSpellings(['Zq7 canary/91xK', 'Zq7 canary/91xK-and-more'])
  const lengths = all.map(one => one.length)
  assert.deepEqual(
    lengths,
    lengths.toSorted((a, b) => b - a),
  )
  assert.equal(new Set(all).size, all.length)
})

test('a secret of many lines costs a bounded number of spellings', () => {
  const lines = Array.from({ length: 2000 }, (_, n) => `line ${n} of a long key file`)
  assert.ok(secretSpellings([lines.join('\n')]).length < 201 * 30)
})
