import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as health from './health.ts'
import type { HealthSpec } from './plan.ts'

const spec: HealthSpec = {
  probe: { kind: 'tcp', host: 'localhost', port: 1 },
  intervalMs: 10_000,
  timeoutMs: 2000,
  failures: 3,
  startPeriodMs: 30_000,
  action: 'restart',
}
const good = { ok: true, reason: '200' }
const bad = { ok: false, reason: 'refused' }

function after(results: readonly { ok: boolean; reason: string }[], fromMs = 0): health.HealthWatch {
  return results.reduce(
    (watch, result, index) => {
      return health.stepHealth(watch, spec, result, fromMs + index * spec.intervalMs)
    },
    health.watchHealth(spec, 0, 0),
  )
}

test('the third failure in a row is unhealthy, and says how many', () => {
  assert.equal(after([good, bad, bad], 40_000).verdict, 'healthy')
  const watch = after([good, bad, bad, bad], 40_000)
  assert.equal(watch.verdict, 'unhealthy')
  assert.equal(watch.reason, 'refused (3 in a row)')
})

test('failures in the start period are forgiven, but not after the first success', () => {
  assert.equal(after([bad, bad, bad]).verdict, 'unknown')
  assert.equal(after([bad, bad, bad]).failures, 0)
  const early = { ...spec, intervalMs: 1000 }
  let watch = health.watchHealth(early, 0, 0)
  for (const [index, result] of [good, bad, bad, bad].entries())
    watch = health.stepHealth(watch, early, result, index * 1000)
  assert.equal(watch.verdict, 'unhealthy')
})

test('one lucky answer does not end an outage, two do', () => {
  const out = [bad, bad, bad]
  assert.equal(after([...out, good], 40_000).verdict, 'unhealthy')
  assert.equal(after([...out, good, bad, good], 40_000).verdict, 'unhealthy')
  assert.equal(after([...out, good, good], 40_000).verdict, 'healthy')
})

test('unhealthy always rests on `failures` failures in a row, and the next probe lies ahead', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), fc.nat(100_000), (answers, fromMs) => {
      let watch = health.watchHealth(spec, 0, fromMs)
      let row = 0
      answers.forEach((ok, index) => {
        const nowMs = fromMs + index * spec.intervalMs
        const before = watch.verdict
        watch = health.stepHealth(watch, spec, ok ? good : bad, nowMs)
        row = ok ? 0 : row + 1
        assert.ok(watch.wakeAtMs > nowMs)
        if (before !== 'unhealthy' && watch.verdict === 'unhealthy') assert.ok(row >= spec.failures)
        if (row >= spec.failures && nowMs >= spec.startPeriodMs + spec.failures * spec.intervalMs) {
          assert.equal(watch.verdict, 'unhealthy')
        }
      })
    }),
  )
})

test('the timeout of readiness counts only what was watched', () => {
  let watch = health.watchReady(5000, 0)
  watch = health.passReady(watch, 2000, false)
  watch = health.passReady(watch, 900_000, true)
  assert.equal(watch.remainingMs, 3000)
  watch = health.passReady(watch, 990_000, true)
  assert.equal(watch.verdict, 'unready')
  assert.equal(health.stepReady(watch, good).verdict, 'unready')
})

test('a stopped daemon counts at most three seconds of its own absence', () => {
  const watch = health.passReady(health.watchReady(60_000, 0), 3_600_000, true)
  assert.equal(watch.verdict, 'waiting')
  assert.equal(watch.remainingMs, 57_000)
})

test('silence is told by the log alone, whatever the wall clock does', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ passMs: fc.integer({ min: 1, max: 2000 }), grew: fc.boolean(), ageMs: fc.integer() }),
      ),
      looks => {
        let nowMs = 0
        let sizeBytes = 0
        let sureMs = 0
        let possibleMs = 0
        let watch = health.watchSilence(5000, 0, 0)
        for (const look of looks) {
          const lookedMs = nowMs
          nowMs += look.passMs
          if (look.grew) {
            sizeBytes++
            sureMs = lookedMs
            possibleMs = nowMs
          }
          watch = health.stepSilence(watch, 5000, { sizeBytes, ageMs: look.ageMs }, nowMs)
          // A look that comes up to 2 s late gives a second more.
          if (nowMs - possibleMs >= 8000) assert.ok(watch.silent)
          if (nowMs - sureMs < 5000) assert.ok(!watch.silent)
          assert.ok(watch.wakeAtMs > nowMs)
        }
      },
    ),
  )
})

test('looks that are late again and again give one second more, not one each', () => {
  let watch = health.watchSilence(5000, 0, 0)
  for (const nowMs of [6001, 6002, 8002])
    watch = health.stepSilence(watch, 5000, { sizeBytes: 0, ageMs: nowMs }, nowMs)
  assert.equal(watch.silent, true)
})

test('a watcher that stood still itself calls no log silent before it had a second to go on', () => {
  const watch = health.watchSilence(3000, 10, 0)
  const late = health.stepSilence(watch, 3000, { sizeBytes: 10, ageMs: 33_000 }, 33_000)
  assert.equal(late.silent, false)
  assert.equal(late.wakeAtMs, 34_000)
  assert.equal(health.stepSilence(late, 3000, { sizeBytes: 10, ageMs: 34_000 }, 34_000).silent, true)
  assert.equal(health.stepSilence(late, 3000, { sizeBytes: 11, ageMs: 500 }, 34_000).silent, false)
})
