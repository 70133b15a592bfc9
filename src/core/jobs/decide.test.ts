/** One decision: instants, missed ones, pools, further attempts, and when to look again. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  attempt,
  bookOf,
  cron,
  exited,
  type Given,
  jobPlan,
  jobRow,
  NOON_MS,
  scheduling,
} from '../../../test/simulation/job-plans.ts'
import { decideJob } from './decide.ts'
import type { JobPlan } from './job-plan.ts'

const HOUR_MS = 3_600_000

function decided(over: Partial<JobPlan>, given: Given = {}) {
  const job = jobPlan('luka', over)
  return decideJob(job.name, scheduling([job], given))
}

const rowsOf = (decision: ReturnType<typeof decided>) =>
  decision.ops.flatMap(op =>
    op.op === 'row' ? [[op.row.nominal?.slice(11, 16), op.row.outcome] as const] : [],
  )

describe('instants', () => {
  test('a job seen for the first time has no past', () => {
    const { ops, starts } = decided({ schedule: cron('0 * * * *') })
    assert.deepEqual(ops, [{ op: 'decided', job: 'luka', until_ms: NOON_MS }])
    assert.equal(starts.length, 0)
  })
  test('one that has come is a row, and the next one is when to look again', () => {
    const book = bookOf([], { luka: NOON_MS - 1 })
    const decision = decided({ schedule: cron('0 * * * *') }, { book })
    assert.deepEqual(rowsOf(decision), [['12:00', 'waiting']])
    const later = bookOf([], { luka: NOON_MS })
    assert.equal(decided({ schedule: cron('0 * * * *') }, { book: later }).wakeMs, NOON_MS + HOUR_MS)
  })

  const missed: [what: string, policy: JobPlan['missed'], outcomes: string[]][] = [
    ['latest: the newest runs', { kind: 'latest' }, ['missed', 'missed', 'missed', 'waiting']],
    ['none: none runs', { kind: 'none' }, ['missed', 'missed', 'missed', 'missed']],
    ['ask: none runs by itself', { kind: 'ask' }, ['missed', 'missed', 'missed', 'missed']],
    ['all: each runs', { kind: 'all', max: null, windowMs: null }, Array(4).fill('waiting')],
    ['at most two', { kind: 'all', max: 2, windowMs: null }, ['missed', 'missed', 'waiting', 'waiting']],
    [
      'young enough',
      { kind: 'all', max: null, windowMs: 1.5 * HOUR_MS },
      ['missed', 'missed', 'missed', 'waiting'],
    ],
  ]
  for (const [what, policy, outcomes] of missed) {
    test(`that passed while nobody watched, ${what}`, () => {
      const given = { book: bookOf([], { luka: NOON_MS - 4.5 * HOUR_MS }), watchedSinceMs: NOON_MS - 60_000 }
      const rows = rowsOf(
        decided({ schedule: cron('0 * * * *'), missed: policy }, { ...given, nowMs: NOON_MS - 1 }),
      )
      assert.deepEqual(
        rows.map(([, outcome]) => outcome),
        outcomes,
      )
    })
  }
  test('far more than anybody reads are one row, and the newest are decided one by one', () => {
    const given = { book: bookOf([], { luka: NOON_MS - 100 * 24 * HOUR_MS }), watchedSinceMs: NOON_MS }
    const decision = decided({ schedule: { kind: 'every', everyMs: 1000 } }, given)
    assert.equal(rowsOf(decision).length, 1)
    const until = decision.ops.flatMap(op => (op.op === 'decided' ? op.until_ms : []))[0] ?? 0
    assert.ok(until > NOON_MS - 20_001_000 && until < NOON_MS - 19_999_000)
  })
  test('a clock that was set back runs none again', () => {
    const given = { book: bookOf([], { luka: NOON_MS + 5 * HOUR_MS }) }
    const { ops, wakeMs } = decided({ schedule: cron('0 * * * *') }, given)
    assert.deepEqual([ops, wakeMs], [[], NOON_MS + 6 * HOUR_MS])
  })
})

describe('rows', () => {
  const none = { schedule: { kind: 'none' } } as const
  test('that are due begin, one after the other unless overlap is allow', () => {
    const book = bookOf([jobRow('luka', { run_id: 'a' }), jobRow('luka', { run_id: 'b' })])
    assert.deepEqual(
      decided(none, { book }).starts.map(({ row }) => row.run_id),
      ['a'],
    )
    assert.equal(decided({ ...none, overlap: 'allow' }, { book }).starts.length, 2)
  })
  test('wait for a free place in their pool', () => {
    const busy = jobRow('roko', { run_id: 'r', outcome: 'running', attempts: [attempt({ ended_ms: null })] })
    const roko = jobPlan('roko', { pool: 'db' })
    const luka = jobPlan('luka', { pool: 'db' })
    const starts = (places: number) =>
      decideJob(
        'luka',
        scheduling([luka, roko], { book: bookOf([busy, jobRow('luka')]), pools: { db: places } }),
      ).starts.length
    assert.deepEqual([starts(1), starts(2)], [0, 1])
  })
  test('that wait too long are refused', () => {
    const row = jobRow('luka', { nominal_ms: NOON_MS - 60_000 })
    const { ops } = decided({ ...none, deadlineMs: 30_000 }, { book: bookOf([row]) })
    assert.equal(ops[0]?.op === 'end' && ops[0].outcome, 'refused_late')
  })
  test('go on with a further attempt when its time has come, and not before', () => {
    const retry = { ...jobPlan('luka').retry, limit: 1 }
    const failed = jobRow('luka', { outcome: 'running', attempts: [attempt({ exit: exited(1) })] })
    const again = decided({ ...none, retry }, { book: bookOf([failed]) }).ops[0]
    assert.equal(again?.op, 'again')
    const told = { ...failed, due_attempt: 2, due_ms: NOON_MS + 10_000 }
    const early = decided({ ...none, retry }, { book: bookOf([told]) })
    assert.deepEqual([early.starts.length, early.wakeMs], [0, NOON_MS + 10_000])
    const due = decided({ ...none, retry }, { book: bookOf([told]), nowMs: NOON_MS + 10_000 })
    assert.deepEqual(
      due.starts.map(start => start.attempt),
      [2],
    )
  })
  test('are stopped at their limit, once', () => {
    const timeout = { attemptMs: 60_000, runMs: null }
    const goesOn = attempt({ mono_ms: 0, ended_ms: null })
    const row = jobRow('luka', { outcome: 'running', attempts: [goesOn] })
    const at = (monoMs: number, rows = [row]) => decided({ ...none, timeout }, { book: bookOf(rows), monoMs })
    assert.deepEqual([at(59_999).ops, at(59_999).wakeMs], [[], NOON_MS + 1])
    assert.equal(at(60_000).ops[0]?.op, 'stop')
    const stop = { cause: 'attempt_timeout', by: 'timeout', why: '' } as const
    const told = { ...row, attempts: [{ ...goesOn, stop }] }
    assert.deepEqual([at(70_000, [told]).ops, at(70_000, [told]).wakeMs], [[], null])
  })
})
