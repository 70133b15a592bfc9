import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TRANSITION_KINDS, type Transition, uptimeOf, uptimePercent } from './uptime.ts'

const at = (atMs: number, kind: string, runId: string | null = 'r1', asked = false): Transition => ({
  atMs,
  kind,
  runId,
  asked,
})

test('a crash of 10 s in 100 s is 90 %', () => {
  const uptime = uptimeOf(
    [at(0, 'started'), at(0, 'ready'), at(50, 'exited'), at(55, 'started', 'r2'), at(60, 'ready', 'r2')],
    0,
    100,
  )
  assert.deepEqual([uptime.upMs, uptime.downMs], [90, 10])
  assert.equal(uptimePercent(uptime, 100), 90)
})

test('what an operator stopped, and the start that follows, counts as neither', () => {
  const asked = [
    at(0, 'ready'),
    at(20, 'exited', 'r1', true),
    at(20, 'stopped'),
    at(70, 'started', 'r2'),
    at(75, 'ready', 'r2'),
  ]
  const uptime = uptimeOf(asked, 0, 100)
  assert.deepEqual([uptime.upMs, uptime.downMs, uptime.plannedMs], [45, 0, 55])
  assert.equal(uptimePercent(uptime, 100), 100)
})

test('an unhealthy run is down until it is healthy again', () => {
  const uptime = uptimeOf([at(0, 'ready'), at(10, 'unhealthy'), at(30, 'healthy')], 0, 100)
  assert.deepEqual([uptime.upMs, uptime.downMs], [80, 20])
})

test('after a reload the exit of the old run takes nothing away', () => {
  const reload = [
    at(0, 'ready'),
    at(10, 'started', 'r2'),
    at(12, 'ready', 'r2'),
    at(13, 'exited', 'r1', true),
  ]
  assert.equal(uptimeOf(reload, 0, 100).upMs, 100)
})

test('a module that crashes before it ever was ready is down', () => {
  const uptime = uptimeOf([at(0, 'started'), at(10, 'exited')], 0, 110)
  assert.deepEqual([uptime.upMs, uptime.downMs], [0, 100])
})

test('what happened before the window only opens it', () => {
  assert.equal(uptimeOf([at(-500, 'ready')], 0, 100).upMs, 100)
  assert.equal(uptimePercent(uptimeOf([], 0, 100), 100), null)
})

test('the parts always sum to the window, and the percentage goes on counting the last state', () => {
  const one = fc.record({
    atMs: fc.integer({ min: -100, max: 1200 }),
    kind: fc.constantFrom(...TRANSITION_KINDS),
    runId: fc.constantFrom('r1', 'r2'),
    asked: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(one), transitions => {
      const uptime = uptimeOf(transitions, 0, 1000)
      assert.equal(uptime.upMs + uptime.downMs + uptime.plannedMs, 1000)
      const percent = uptimePercent(uptime, 5000)
      assert.ok(percent === null || (percent >= 0 && percent <= 100))
    }),
  )
})
