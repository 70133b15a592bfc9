/** Some at once, then one in a while, each name for itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowance } from './allowance.ts'

test('three at once, then one a second, and a long rest earns no more than three', () => {
  const allowance = new Allowance(3, 1000)
  const taken = (name: string, ...times: number[]): boolean[] => times.map(ms => allowance.takes(name, ms))
  assert.deepEqual(taken('a', 0, 0, 0, 0, 999), [true, true, true, false, false])
  assert.deepEqual(taken('a', 1000, 1001, 2500, 2501), [true, false, true, false])
  assert.deepEqual(taken('a', 90_000, 90_000, 90_000, 90_000), [true, true, true, false])
  assert.deepEqual(taken('b', 90_000), [true])
  allowance.forget('a')
  assert.deepEqual(taken('a', 90_000), [true])
})
