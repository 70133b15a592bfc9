/** The one gate: what may run, what waits, what is refused and why. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  attempt,
  bookOf,
  type Given,
  jobPlan,
  jobRow,
  NOON_MS,
  scheduling,
} from '../../../test/simulation/job-plans.ts'
import { admit } from './admit.ts'
import { JobBook, NO_MEMORY } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { Trigger } from './job-row.ts'

const nominal = { ms: NOON_MS - 60_000, local: '2026-01-01T11:59:00Z' }

function admitted(over: Partial<JobPlan> = {}, given: Given = {}, trigger: Trigger = 'schedule') {
  const job = jobPlan('luka', over)
  const wish = { trigger, by: 'test', nominal, dueMs: NOON_MS, params: {}, upstream: {} }
  return admit(job, trigger === 'hand' ? { ...wish, nominal: null } : wish, scheduling([job], given))
}

function paused(): JobBook {
  const book = new JobBook()
  const stands = { by: 'ann', note: 'no trades', at_ms: NOON_MS }
  book.learn([], { luka: { ...NO_MEMORY, paused: stands } })
  return book
}

const running = () =>
  bookOf([jobRow('luka', { outcome: 'running', attempts: [attempt({ ended_ms: null })] })])

describe('the gate', () => {
  test('lets a wish wait for its start when nothing is in the way', () => {
    const { row, ops } = admitted()
    assert.deepEqual([row.outcome, row.nominal, ops.length], ['waiting', nominal.local, 0])
  })
  test('says who paused it, and lets a hand and a backfill through', () => {
    const { row } = admitted({}, { book: paused() })
    assert.deepEqual([row.outcome, row.reason], ['skipped_paused', 'paused by ann: no trades'])
    for (const trigger of ['hand', 'backfill', 'retry_from'] as const)
      assert.equal(admitted({}, { book: paused() }, trigger).row.outcome, 'waiting')
  })
  test('a kill refuses every trigger', () => {
    const killed = (): string => 'killed (K-1, halt) by ann'
    for (const trigger of ['schedule', 'hand', 'backfill', 'retry_from', 'after', 'catch_up'] as const)
      assert.equal(admitted({}, { killed }, trigger).row.outcome, 'refused_kill')
  })
  test('closed days refuse the schedule with their reason, not a hand', () => {
    const closed = (): string => 'XNYS is closed on 2026-01-01'
    const { row } = admitted({}, { closed })
    assert.deepEqual([row.outcome, row.reason], ['skipped_calendar', closed()])
    assert.equal(admitted({}, { closed }, 'hand').row.outcome, 'waiting')
  })
  test('past its deadline a run is refused, a backfill is not', () => {
    const { row } = admitted({ deadlineMs: 30_000 })
    assert.deepEqual(
      [row.outcome, row.reason],
      ['refused_late', '60 s after its instant; its deadline is 30 s'],
    )
    assert.equal(admitted({ deadlineMs: 30_000 }, {}, 'backfill').row.outcome, 'waiting')
  })
})

describe('while the run before goes on', () => {
  test('skip leaves a row, by hand too; catching up waits its turn', () => {
    assert.equal(admitted({}, { book: running() }).row.outcome, 'skipped_overlap')
    assert.equal(admitted({}, { book: running() }, 'hand').row.outcome, 'skipped_overlap')
    assert.equal(admitted({}, { book: running() }, 'catch_up').row.outcome, 'waiting')
  })
  test('queue waits, up to a hundred', () => {
    assert.equal(admitted({ overlap: 'queue' }, { book: running() }).row.outcome, 'waiting')
    const rows = Array.from({ length: 100 }, (_, n) => jobRow('luka', { run_id: `w${n}` }))
    assert.equal(admitted({ overlap: 'queue' }, { book: bookOf(rows) }).row.outcome, 'skipped_overlap')
  })
  test('cancel_previous stops it with grace, kill_previous without, and what only waits is cancelled', () => {
    for (const [overlap, kill] of [
      ['cancel_previous', false],
      ['kill_previous', true],
    ] as const) {
      const { row, ops } = admitted({ overlap }, { book: running() })
      assert.equal(row.outcome, 'waiting')
      assert.equal(ops.length === 1 && ops[0]?.op === 'stop' && ops[0].kill, kill)
    }
    const waiting = { book: bookOf([jobRow('luka')]) }
    const { ops } = admitted({ overlap: 'cancel_previous' }, waiting)
    assert.equal(ops[0]?.op === 'end' && ops[0].outcome, 'cancelled')
  })
})
