/** Equal parts are one object, and nothing else changes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareEqual } from './share-equal.ts'

test('equal parts are one object, unequal ones stay apart, and the document reads the same', () => {
  const job = (name: string, keep: number) => ({ name, log: { keep, sizes: [1, 2] }, params: {}, pool: null })
  const document = { jobs: [job('a', 3), job('b', 3), job('c', 4)], text: 'x' }
  const shared = shareEqual(document)
  assert.deepEqual(shared, document)
  const [a, b, c] = shared.jobs
  assert.equal(a?.log, b?.log)
  assert.notEqual(a?.log, c?.log)
  assert.equal(a?.log.sizes, c?.log.sizes)
})
