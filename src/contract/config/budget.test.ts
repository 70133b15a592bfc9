import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fastestFailuresMs, parseBudget, reachable, stretchedBudget } from './budget.ts'

const delays = fc
  .record({
    delayMs: fc.integer({ min: 0, max: 3_600_000 }),
    multiplier: fc.double({ min: 1, max: 10, noNaN: true }),
    more: fc.integer({ min: 0, max: 3_600_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ more, ...rest }) => ({ ...rest, maxDelayMs: rest.delayMs + more }))

/** One failure after the other. */
function slowly(
  count: number,
  given: { delayMs: number; multiplier: number; maxDelayMs: number; jitter: number },
): number {
  let total = 0
  for (let failure = 1, delay = given.delayMs; failure < count; failure++) {
    total += delay * (1 - given.jitter)
    delay = Math.min(delay * given.multiplier, given.maxDelayMs)
  }
  return total
}

test('the fastest failures are those with every delay at its shortest', () => {
  fc.assert(
    fc.property(delays, fc.integer({ min: 1, max: 60 }), (given, count) => {
      const want = slowly(count, given)
      assert.ok(Math.abs(fastestFailuresMs(count, given) - want) <= want * 1e-9 + 1e-6)
    }),
  )
})

test('the example of the contract can be spent', () => {
  const given = { delayMs: 3000, multiplier: 2, maxDelayMs: 300_000, jitter: 0.1 }
  assert.ok(reachable(parseBudget('5/10m'), given))
  assert.ok(reachable(parseBudget('20/1d'), given))
  assert.equal(fastestFailuresMs(5, { ...given, jitter: 0 }), 3000 + 6000 + 12_000 + 24_000)
})

test("MARK's own budget can be spent whatever the delays", () => {
  fc.assert(
    fc.property(delays, given => {
      for (const budget of stretchedBudget(given)) assert.ok(reachable(budget, given))
    }),
  )
})

test('a budget of a million failures is judged at once', () => {
  assert.equal(
    reachable(
      { count: 1_000_000, windowMs: 1000 },
      { delayMs: 1, multiplier: 1.0001, maxDelayMs: 60_000, jitter: 0 },
    ),
    false,
  )
})
