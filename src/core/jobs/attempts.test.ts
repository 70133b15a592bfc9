/** What the end of an attempt means for its run. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { attempt, exited, jobPlan, jobRow, NOON_MS } from '../../../test/simulation/job-plans.ts'
import { UNKNOWN_EXIT } from '../exit.ts'
import { judgeAttempt, limitOf } from './attempts.ts'
import type { JobPlan } from './job-plan.ts'
import type { JobAttempt } from './job-row.ts'

const RETRY = { ...jobPlan('luka').retry, limit: 2 }

function judged(over: Partial<JobAttempt>, job: Partial<JobPlan> = {}, before: readonly JobAttempt[] = []) {
  const last = attempt(over)
  const row = jobRow('luka', { attempts: [...before, last] })
  return judgeAttempt(jobPlan('luka', job), row, last, NOON_MS)
}

const stop = (cause: 'attempt_timeout' | 'run_timeout' | 'overlap' | 'cancel' | 'fleet') => ({
  stop: { cause, by: 'ann', why: 'why' },
})

describe('an attempt that ended', () => {
  const cases: [what: string, over: Partial<JobAttempt>, outcome: string][] = [
    ['with 0 succeeded', { exit: exited(0) }, 'succeeded'],
    ['with another code failed', { exit: exited(3) }, 'failed'],
    ['by a signal failed', { exit: exited(null, 'SIGKILL') }, 'failed'],
    ['unseen is lost', { exit: UNKNOWN_EXIT }, 'lost'],
    ['with its host is lost', { reason: 'lost: nobody saw its end' }, 'lost'],
    ['before it began failed', { reason: 'could not start: no such file' }, 'failed'],
    ['for its time timed out', { exit: exited(null, 'SIGTERM'), ...stop('attempt_timeout') }, 'timed_out'],
    ['for the time of its run timed out', { exit: exited(0), ...stop('run_timeout') }, 'timed_out'],
    ['for a later run is cancelled', { exit: exited(0), ...stop('overlap') }, 'cancelled'],
    ['by an order is cancelled', { exit: exited(1), ...stop('cancel') }, 'cancelled'],
    ['with the fleet is cancelled', { exit: exited(1), ...stop('fleet') }, 'cancelled'],
  ]
  for (const [what, over, outcome] of cases) {
    test(what, () => {
      const op = judged(over)
      assert.equal(op.op === 'end' && op.outcome, outcome)
    })
  }
})

describe('a further attempt', () => {
  test('waits longer each time, and not longer than the most', () => {
    const first = judged({ exit: exited(1) }, { retry: RETRY })
    assert.equal(first.op === 'again' && first.due_ms, NOON_MS + 10_000)
    const second = judged({ exit: exited(1) }, { retry: RETRY }, [attempt({ exit: exited(1) })])
    assert.equal(second.op === 'again' && second.due_ms, NOON_MS + 20_000)
    const capped = judged({ exit: exited(1) }, { retry: { ...RETRY, maxDelayMs: 12_000 } }, [attempt()])
    assert.equal(capped.op === 'again' && capped.due_ms, NOON_MS + 12_000)
  })
  test('there is none beyond the limit, after success, an order, or an end that nobody saw', () => {
    const spent = [attempt({ exit: exited(1) }), attempt({ exit: exited(1) })]
    assert.equal(judged({ exit: exited(1) }, { retry: RETRY }, spent).op, 'end')
    for (const over of [{ exit: exited(0) }, { exit: UNKNOWN_EXIT }, { exit: exited(1), ...stop('cancel') }])
      assert.equal(judged(over, { retry: RETRY }).op, 'end')
  })
  test('only after the exit codes that are named, and then after no signal or timeout', () => {
    const retry = { ...RETRY, onExit: [75] }
    assert.equal(judged({ exit: exited(75) }, { retry }).op, 'again')
    assert.equal(judged({ exit: exited(1) }, { retry }).op, 'end')
    assert.equal(judged({ exit: exited(null, 'SIGSEGV') }, { retry }).op, 'end')
    assert.equal(judged({ exit: exited(null, 'SIGTERM'), ...stop('attempt_timeout') }, { retry }).op, 'end')
  })
  test('none that would begin after the time of its run', () => {
    const timeout = { attemptMs: null, runMs: 65_000 }
    assert.equal(judged({ exit: exited(1) }, { retry: RETRY, timeout }).op, 'end')
    assert.equal(
      judged({ exit: exited(1) }, { retry: RETRY, timeout: { ...timeout, runMs: 75_000 } }).op,
      'again',
    )
  })
})

test('the nearer limit holds, counted on the monotonic clock from the first attempt on', () => {
  const job = jobPlan('luka', { timeout: { attemptMs: 100_000, runMs: 120_000 } })
  const first = attempt({ mono_ms: 0 })
  const second = attempt({ mono_ms: 50_000, ended_ms: null })
  const row = jobRow('luka', { attempts: [first, second] })
  assert.deepEqual(
    [limitOf(job, row, second)?.cause, limitOf(job, row, second)?.atMs],
    ['run_timeout', 120_000],
  )
  assert.equal(limitOf(jobPlan('luka'), row, second), null)
})
