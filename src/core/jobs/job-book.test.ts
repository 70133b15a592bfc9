/** The keeper's memory of jobs: decided once, begun once, ended once, whoever asks again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exited, jobRow, NOON_MS } from '../../../test/simulation/job-plans.ts'
import { JobBook } from './job-book.ts'
import { endOp } from './scheduling.ts'

const NOW = { wallMs: NOON_MS, monoMs: 5000 }
const planned = (runId: string, ms = NOON_MS) =>
  jobRow('luka', { run_id: runId, nominal_ms: ms, nominal: 'x' })

/** What a keeper that was killed now would find. */
function restored(from: JobBook): JobBook {
  const entries = [...from.rows.keys()]
    .map(id => `row ${id}`)
    .concat([...from.jobs.keys()].map(job => `job ${job}`))
  const book = new JobBook()
  book.restore(structuredClone(Object.fromEntries(entries.map(name => [name, from.entry(name)]))))
  return book
}

test('an instant is decided once, also over the life of a keeper', () => {
  const book = new JobBook()
  book.apply({ op: 'row', row: planned('a') }, NOW)
  book.apply({ op: 'row', row: planned('b') }, NOW)
  assert.deepEqual([...book.rows.keys()], ['a'])
  const next = restored(book)
  next.apply({ op: 'row', row: planned('c') }, NOW)
  next.apply({ op: 'row', row: planned('d', NOON_MS + 1) }, NOW)
  assert.deepEqual([...next.rows.keys()], ['a', 'd'])
})

test('an attempt begins once, and only the one that is due', () => {
  const book = new JobBook()
  book.apply({ op: 'row', row: planned('a') }, NOW)
  assert.equal(book.begin('a', 'x', 2, NOW), false)
  assert.equal(book.begin('a', 'x', 1, NOW), true)
  assert.equal(book.begin('a', 'y', 1, NOW), false)
  assert.equal(restored(book).begin('a', 'y', 1, NOW), false)
  book.ended('x', { exit: exited(1), stop: null, reason: '' }, NOON_MS)
  assert.equal(book.begin('a', 'y', 2, NOW), false, 'nobody judged the first one yet')
  book.apply({ op: 'again', run_id: 'a', attempts: 1, due_ms: NOON_MS, reason: '' }, NOW)
  assert.equal(book.begin('a', 'y', 2, NOW), true)
})

test('a run ends once, by a word that is not stale, and is forgotten once it was told', () => {
  const book = new JobBook()
  const row = planned('a')
  book.apply({ op: 'row', row }, NOW)
  book.begin('a', 'x', 1, NOW)
  book.apply(endOp(row, 'refused_late', 'stale'), NOW)
  assert.equal(book.rows.get('a')?.outcome, 'running')
  book.ended('x', { exit: exited(0), stop: null, reason: '' }, NOON_MS + 7)
  const last = book.rows.get('a')
  assert.ok(last)
  book.apply(endOp(last, 'succeeded', '', { outputs: { until: '1' } }), { ...NOW, monoMs: 5007 })
  assert.deepEqual(
    book.takeTold().map(({ outcome, ended_ms }) => [outcome, ended_ms]),
    [['succeeded', NOON_MS + 7]],
  )
  assert.deepEqual(
    [book.rows.size, book.memory('luka').outputs, book.memory('luka').took_ms],
    [0, { until: '1' }, [7]],
  )
})

test('who only learns passes over older words, also about what has ended', () => {
  const book = new JobBook()
  const row = planned('a')
  book.learn([{ ...row, rev: 3, outcome: 'succeeded' }], {})
  book.learn([{ ...row, rev: 2, outcome: 'running' }], {})
  assert.deepEqual([book.rows.get('a')?.outcome, book.rowsOf('luka').length], ['succeeded', 0])
})

test('rows are told of again by the next keeper, in the same words: the journal may not have them', () => {
  const book = new JobBook()
  const [open, ended] = [planned('a'), planned('b', NOON_MS + 1)]
  for (const row of [open, ended]) book.apply({ op: 'row', row }, NOW)
  book.apply(endOp(ended, 'cancelled', 'asked'), NOW)
  const next = restored(book)
  assert.deepEqual(next.takeTold(), book.takeTold())
})
