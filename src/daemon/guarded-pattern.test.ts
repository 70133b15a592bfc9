import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guardedPattern, PatternTooSlow } from './guarded-pattern.ts'

test('says which lines fit, and stops a pattern that would take for ever', () => {
  assert.deepEqual(guardedPattern('^ready \\d+$')(['ready 5', 'not ready 5', 'ready']), [true, false, false])
  const before = performance.now()
  assert.throws(() => guardedPattern('^(a+)+$')([`${'a'.repeat(40)}!`]), PatternTooSlow)
  assert.ok(performance.now() - before < 1500)
  assert.throws(() => guardedPattern('(')([]), SyntaxError)
})

test('20,000 lines are no trouble', () => {
  const fits = guardedPattern('listening on port')(
    Array.from({ length: 20_000 }, (_, i) => `line ${i} of a busy log`),
  )
  assert.equal(fits.length, 20_000)
})
