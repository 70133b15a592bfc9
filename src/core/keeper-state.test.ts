import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { moduleSpec } from '../../test/simulation/fleet-plan.ts'
import { type Child, type Hold, newChild, PHASES, type Run, type Stopping, type Then } from './child.ts'
import { afterReboot, neverUp, remember, restore } from './keeper-state.ts'

const SPEC = moduleSpec('luka')
/** The host was up for 1,000 s when this was written; then it was down for a minute and is up for 20 s. */
const SAVED = { monoMs: 1_000_000, wallMs: 1_700_000_000_000 }
const NOW = { monoMs: 20_000, wallMs: SAVED.wallMs + 80_000 }
const HOLD: Hold = { reason: 'asks for a person', by: 'exit contract', atWallMs: 1, kill: null }
const RUN: Run = {
  id: 'R1',
  pid: 4711,
  startTime: 12,
  started: { monoMs: 900_000, wallMs: 1 },
  ready: { monoMs: 901_000, wallMs: 2 },
  startReason: 'boot',
  exit: null,
}

function child(over: Partial<Child> = {}): Child {
  return { ...newChild(SPEC), ...over }
}

function stopping(after: Then): Stopping {
  return { then: after, by: 'op', why: 'asked', stage: 'signal', graceEndsMs: 1_005_000, signalled: true }
}

test('what is remembered comes back, but for the spec and the watchdog, which begin anew', () => {
  for (const phase of PHASES) {
    const before = child({ phase, run: RUN, hold: HOLD, restarts: 7, watchdogDueMs: 5, desired: 'up' })
    const text = JSON.stringify(remember(before))
    assert.deepEqual(restore(SPEC, JSON.parse(text)), { ...before, watchdogDueMs: null }, phase)
    assert.ok(!text.includes('workingDir'), 'the spec is in plan.json already')
  }
})

test('a ready module forgets its next waking: that was its watchdog', () => {
  assert.equal(restore(SPEC, remember(child({ phase: 'ready', wakeAtMs: 5 }))).wakeAtMs, null)
  assert.equal(restore(SPEC, remember(child({ phase: 'backoff', wakeAtMs: 5 }))).wakeAtMs, 5)
})

test('a module that nobody remembers, or knew less of, is a new one with what is known', () => {
  assert.deepEqual(restore(SPEC, undefined), newChild(SPEC))
  const { health: _health, recovering: _recovering, ...older } = remember(child({ restarts: 3 }))
  const restored = restore(SPEC, older as ReturnType<typeof remember>)
  assert.deepEqual([restored.restarts, restored.health, restored.recovering], [3, 'unknown', false])
})

test('after a reboot no module has a process, a timer or a stop under way', () => {
  for (const phase of PHASES) {
    const then = stopping({ kind: 'start', why: 'operator' })
    const before = child({ phase, run: RUN, wakeAtMs: 5, recovering: true, health: 'healthy' })
    const after = afterReboot(phase === 'stopping' ? { ...before, stopping: then } : before, SAVED, NOW)
    assert.deepEqual(
      [after.run, after.stopping, after.nextStart, after.wakeAtMs, after.recovering, after.health],
      [null, null, null, null, false, 'unknown'],
      phase,
    )
    assert.ok(['stopped', 'held', 'done'].includes(after.phase), phase)
  }
})

test('holds, outcomes, restarts and what the operator wants outlive a reboot', () => {
  const held = afterReboot(child({ phase: 'held', hold: HOLD, reason: HOLD.reason }), SAVED, NOW)
  assert.deepEqual([held.phase, held.hold, held.reason], ['held', HOLD, HOLD.reason])
  const done = afterReboot(child({ phase: 'done', outcome: 'completed', reason: 'completed' }), SAVED, NOW)
  assert.deepEqual([done.phase, done.outcome, done.reason], ['done', 'completed', 'completed'])
  const stopped = afterReboot(child({ desired: 'down', restarts: 4 }), SAVED, NOW)
  assert.deepEqual([stopped.phase, stopped.desired, stopped.restarts], ['stopped', 'down', 4])
})

test('a hold that was on its way through a stop is a hold after the reboot', () => {
  const before = child({ phase: 'stopping', run: RUN, stopping: stopping({ kind: 'hold', hold: HOLD }) })
  const after = afterReboot(before, SAVED, NOW)
  assert.deepEqual([after.phase, after.hold], ['held', HOLD])
})

test('restarts keep their age: a reboot neither spends a budget nor clears it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: SAVED.monoMs }),
      fc.integer({ min: 0, max: 10 ** 9 }),
      (ago, downMs) => {
        const before = child({ memory: { attempt: 2, restartsAt: [SAVED.monoMs - ago], spent: false } })
        const now = { monoMs: 20_000, wallMs: SAVED.wallMs + downMs }
        const [moved] = afterReboot(before, SAVED, now).memory.restartsAt
        assert.equal(now.monoMs - (moved as number), ago + downMs)
      },
    ),
  )
})

test('a clock that was set back while the host was down makes no restart younger than it was', () => {
  const before = child({ memory: { attempt: 1, restartsAt: [SAVED.monoMs - 5000], spent: false } })
  const [moved] = afterReboot(before, SAVED, { monoMs: 20_000, wallMs: SAVED.wallMs - 10 ** 9 }).memory
    .restartsAt
  assert.equal(20_000 - (moved as number), 5000)
})

test('a fleet was up once anybody said of a module that it should run, or should not', () => {
  assert.equal(neverUp({}), true)
  assert.equal(neverUp({ '@daemon': { desired: 'up' }, luka: { desired: null } }), true)
  assert.equal(neverUp({ luka: { desired: 'up' }, roko: { desired: null } }), false)
  assert.equal(neverUp({ luka: { desired: null }, roko: { desired: 'down' } }), false)
})
