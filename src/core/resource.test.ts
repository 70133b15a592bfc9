import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuPercent, pushSample } from './resource.ts'

const sample = (monoMs: number, ticks: Record<string, number>) => ({
  monoMs,
  ticks: new Map(Object.entries(ticks)),
  rssBytes: 0,
})

test('50 ticks of 100 in a second are half a core', () => {
  assert.equal(cpuPercent(sample(0, { '7:1': 100 }), sample(1000, { '7:1': 150 }), 100), 50)
})

test('a child that came counts from its start, one that went and a reused pid never count negative', () => {
  assert.equal(
    cpuPercent(sample(0, { '7:1': 0, '8:2': 900 }), sample(2000, { '7:1': 100, '9:3': 100 }), 100),
    100,
  )
  assert.equal(cpuPercent(sample(0, { '7:1': 500 }), sample(1000, { '7:9': 10 }), 100), 10)
  assert.equal(cpuPercent(sample(5, {}), sample(5, {}), 100), null)
})

test('a ring keeps the newest', () => {
  let ring: readonly number[] = []
  for (let i = 0; i < 10; i++) ring = pushSample(ring, i, 3)
  assert.deepEqual(ring, [7, 8, 9])
})
