import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusals } from './refusals.ts'

test('refusals are counted and told for ten minutes; the log hears of them at most every ten seconds', () => {
  let nowMs = 0
  const said: string[] = []
  const refusals = new Refusals(
    () => nowMs,
    line => said.push(line),
  )
  for (nowMs = 0; nowMs <= 20_000; nowMs += 100) refusals.note('vida', 'a line is too long')
  assert.equal(said.length, 3)
  refusals.note('roko', 'its first line is no hello')
  assert.deepEqual(refusals.notes(), [
    '201 refused at the socket of vida: a line is too long',
    '1 refused at the socket of roko: its first line is no hello',
  ])
  refusals.keepOnly(new Set(['roko']))
  assert.equal(refusals.notes().length, 1)
  nowMs += 600_001
  assert.deepEqual(refusals.notes(), [])
})
