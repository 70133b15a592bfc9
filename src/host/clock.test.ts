import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fakeClock, systemClock } from './clock.ts'

test('the monotonic clock is the one that other processes read', () => {
  const before = systemClock.now().monoMs
  const script = 'import time; print(time.clock_gettime(time.CLOCK_MONOTONIC) * 1000)'
  const theirs = Number(execFileSync('python3', ['-c', script], { encoding: 'utf8' }))
  assert.ok(before <= theirs && theirs <= systemClock.now().monoMs)
})

test('chance lies in [0, 1)', () => {
  for (let i = 0; i < 1000; i++) {
    const chance = systemClock.chance()
    assert.ok(chance >= 0 && chance < 1)
  }
})

test('a fake clock moves only when told to, and a wall step leaves the monotonic time alone', () => {
  const clock = fakeClock({ monoMs: 5, wallMs: 1000 }, 0.25)
  clock.advance(10)
  clock.stepWall(-500)
  assert.deepEqual(clock.now(), { monoMs: 15, wallMs: 510 })
  assert.equal(clock.chance(), 0.25)
})
