import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuPercent } from './resource.ts'

test('50 ticks of 100 in a second are half a core', () => {
  assert.equal(cpuPercent(50, 1000, 100), 50)
  assert.equal(cpuPercent(1, 3000, 100), 0.3)
})

test('without elapsed time nothing is claimed', () => {
  assert.equal(cpuPercent(5, 0, 100), null)
  assert.equal(cpuPercent(5, -1, 100), null)
})
