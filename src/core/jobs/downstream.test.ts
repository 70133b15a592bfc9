/** What follows from the end of a run. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { afterJobs, jobPlan, scheduling } from '../../../test/simulation/job-plans.ts'
import { type End, ripple } from './downstream.ts'
import { JobBook } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { EndOutcome } from './job-row.ts'

const end = (job: string, outcome: EndOutcome): End => ({ job, run_id: `${job}-1`, outcome })

/** Rows by job, after these ends one after the other. */
function rowsAfter(jobs: readonly JobPlan[], ...ends: readonly End[]): Record<string, string> {
  const book = new JobBook()
  const rows: Record<string, string> = {}
  for (const one of ends) {
    for (const op of ripple([one], scheduling(jobs, { book }))) {
      if (op.op === 'row') rows[op.row.job] = op.row.outcome
      if (op.op === 'arrived') book.apply(op, { wallMs: 0, monoMs: 0 })
    }
  }
  return rows
}

const LUKA = jobPlan('luka')
const ROKO = jobPlan('roko', afterJobs('luka'))
const DABI = jobPlan('dabi', afterJobs('roko'))
const PAGE = jobPlan('page', afterJobs({ job: 'roko', on: 'failure' }))
const CHAIN = [LUKA, ROKO, DABI, PAGE]

describe('a chain', () => {
  test('goes on after success, and the failure branch leaves no row', () => {
    assert.deepEqual(rowsAfter(CHAIN, end('luka', 'succeeded')), { roko: 'waiting' })
    assert.deepEqual(rowsAfter(CHAIN, end('roko', 'succeeded')), { dabi: 'waiting' })
  })
  test('whose middle fails takes the failure branch and marks the rest', () => {
    for (const outcome of ['failed', 'timed_out', 'lost'] as const)
      assert.deepEqual(rowsAfter(CHAIN, end('roko', outcome)), { dabi: 'skipped_upstream', page: 'waiting' })
  })
  test('whose beginning did not run marks all the rest, in one go', () => {
    const rest = { roko: 'skipped_upstream', dabi: 'skipped_upstream' }
    for (const outcome of ['failed', 'cancelled', 'missed', 'skipped_overlap', 'refused_late'] as const)
      assert.deepEqual(rowsAfter(CHAIN, end('luka', outcome)), rest)
  })
  test('waits as long as its delay says', () => {
    const upstream = [{ job: 'luka', on: 'success' as const, delayMs: 300_000 }]
    const late = jobPlan('late', { ...afterJobs('luka'), after: { join: 'all', upstream } })
    const given = scheduling([LUKA, late])
    const row = ripple([end('luka', 'succeeded')], given).flatMap(op => (op.op === 'row' ? op.row : []))[0]
    assert.equal(row?.due_ms, given.nowMs + 300_000)
    assert.deepEqual(row?.upstream, { luka: 'luka-1' })
  })
})

describe('several upstream jobs', () => {
  const joined = (join: 'all' | 'any' | 'none_failed') => {
    const base = afterJobs('a', 'b')
    return [jobPlan('a'), jobPlan('b'), jobPlan('c', { ...base, after: { ...base.after, join } })]
  }
  test('all: waits for both, and is skipped when one failed', () => {
    assert.deepEqual(rowsAfter(joined('all'), end('a', 'succeeded')), {})
    assert.deepEqual(rowsAfter(joined('all'), end('a', 'succeeded'), end('b', 'succeeded')), { c: 'waiting' })
    assert.deepEqual(rowsAfter(joined('all'), end('a', 'failed'), end('b', 'succeeded')), {
      c: 'skipped_upstream',
    })
  })
  test('any: runs at the first that fits, and is skipped when none does', () => {
    assert.deepEqual(rowsAfter(joined('any'), end('b', 'succeeded')), { c: 'waiting' })
    assert.deepEqual(rowsAfter(joined('any'), end('a', 'failed')), {})
    assert.deepEqual(rowsAfter(joined('any'), end('a', 'failed'), end('b', 'failed')), {
      c: 'skipped_upstream',
    })
  })
  test('none_failed: what was skipped does not count as failed, if something ran', () => {
    const rows = (a: EndOutcome, b: EndOutcome) => rowsAfter(joined('none_failed'), end('a', a), end('b', b))
    assert.deepEqual(rows('succeeded', 'skipped_calendar'), { c: 'waiting' })
    assert.deepEqual(rows('succeeded', 'failed'), { c: 'skipped_upstream' })
    assert.deepEqual(rows('missed', 'skipped_overlap'), { c: 'skipped_upstream' })
  })
})
