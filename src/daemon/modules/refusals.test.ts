import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusals } from './refusals.ts'

test('refusals are counted and told for ten minutes; the log hears of them at most every ten seconds', () => {
  let nowMs = 0
  const said: string[] = []
  const recorded: string[] = []
  const refusals = new Refusals(
    () => nowMs,
    line => said.push(line),
    (module, reason, count) => recorded.push(`${module} ${count} ${reason}`),
  )
  for (nowMs = 0; nowMs <= 20_000; nowMs += 100) refusals.note('vida', 'a line is too long')
  assert.equal(said.length, 3)
  assert.equal(recorded.length, 10)
  assert.equal(recorded[9], 'vida 10 a line is too long')
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
