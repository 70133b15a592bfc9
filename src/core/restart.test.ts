import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RestartSpec } from './plan.ts'
import { FRESH_MEMORY, type RestartMemory, restartAfterFailure, restartDelayMs } from './restart.ts'

const SPEC: RestartSpec = {
  policy: 'always',
  delayMs: 1000,
  multiplier: 2,
  maxDelayMs: 60_000,
  jitter: 0,
  resetAfterMs: 600_000,
  budget: [{ count: 3, windowMs: 60_000 }],
  whenSpent: 'hold',
}

test('the delay grows by its multiplier up to max_delay', () => {
  assert.deepEqual(
    [0, 1, 2, 5, 6, 60].map(attempt => restartDelayMs(SPEC, attempt, 0.5)),
    [1000, 2000, 4000, 32_000, 60_000, 60_000],
  )
})

test('a delay of zero stays zero, whatever the jitter', () => {
  assert.equal(restartDelayMs({ ...SPEC, delayMs: 0, jitter: 0.5 }, 9, 0.9), 0)
})

test('jitter stays within its share and never above max_delay', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, chance) => {
      const delayMs = restartDelayMs({ ...SPEC, jitter: 0.1 }, attempt, chance)
      const plain = restartDelayMs(SPEC, attempt, chance)
      assert.ok(delayMs >= Math.floor(plain * 0.9) && delayMs <= Math.min(60_000, Math.ceil(plain * 1.1)))
    }),
  )
})

test('the failure after the last restart of a budget holds, and says which budget', () => {
  let memory: RestartMemory = FRESH_MEMORY
  for (const nowMs of [0, 5000, 10_000]) {
    const decision = restartAfterFailure(SPEC, memory, nowMs, 0.5)
    assert.equal(decision.kind, 'restart')
    memory = decision.memory
  }
  const fourth = restartAfterFailure(SPEC, memory, 20_000, 0.5)
  assert.equal(fourth.kind, 'hold')
  assert.match(fourth.kind === 'hold' ? fourth.reason : '', /3 restarts within 60 s/)
})

test('slow goes on at max_delay and says so once', () => {
  const slow: RestartSpec = { ...SPEC, whenSpent: 'slow', budget: [{ count: 1, windowMs: 1_000_000 }] }
  let memory: RestartMemory = FRESH_MEMORY
  let nowMs = 0
  const said: (string | null)[] = []
  const gaps: number[] = []
  for (let failure = 0; failure < 4; failure++) {
    const decision = restartAfterFailure(slow, memory, nowMs, 0.5)
    assert.equal(decision.kind, 'restart')
    if (decision.kind !== 'restart') return
    said.push(decision.newlySpent)
    gaps.push(decision.atMs - nowMs)
    memory = decision.memory
    nowMs = decision.atMs + 10
  }
  assert.deepEqual(gaps, [1000, 60_000, 60_000, 60_000])
  assert.deepEqual(
    said.map(text => text !== null),
    [false, true, false, false],
  )
})

test('with hold, the restarts in any window never exceed the budget', () => {
  const budgets = fc.array(
    fc.record({ count: fc.integer({ min: 1, max: 6 }), windowMs: fc.integer({ min: 1000, max: 500_000 }) }),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  const lives = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 60 })
  fc.assert(
    fc.property(budgets, lives, fc.integer({ min: 0, max: 5000 }), (budget, uptimes, delayMs) => {
      const spec: RestartSpec = { ...SPEC, budget, delayMs, jitter: 0.2 }
      const restarts: number[] = []
      let memory: RestartMemory = FRESH_MEMORY
      let nowMs = 0
      for (const uptimeMs of uptimes) {
        nowMs += uptimeMs
        const decision = restartAfterFailure(spec, memory, nowMs, (uptimeMs % 100) / 100)
        memory = decision.memory
        if (decision.kind === 'hold') continue
        restarts.push(decision.atMs)
        nowMs = decision.atMs
      }
      for (const { count, windowMs } of budget) {
        for (const end of restarts) {
          const inside = restarts.filter(at => at > end - windowMs && at <= end).length
          assert.ok(inside <= count, `${inside} restarts in ${windowMs} ms, budget ${count}`)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('its memory stays as small as the largest budget', () => {
  let memory: RestartMemory = FRESH_MEMORY
  const slow: RestartSpec = { ...SPEC, whenSpent: 'slow' }
  for (let failure = 0; failure < 1000; failure++)
    memory = restartAfterFailure(slow, memory, failure * 1000, 0.5).memory
  assert.equal(memory.restartsAt.length, 3)
})
