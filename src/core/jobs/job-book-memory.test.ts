import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JobBook } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import { rowOf } from './scheduling.ts'

const AT = { wallMs: 7, monoMs: 7 }

test('what is remembered of a job at rest is handed on by the next keeper', () => {
  const first = new JobBook()
  first.apply({ op: 'paused', job: 'night', paused: { by: 'ada', note: null, at_ms: 5 } }, AT)
  first.apply({ op: 'decided', job: 'night', until_ms: 7 }, AT)
  const entries = (book: JobBook): Record<string, unknown> =>
    Object.fromEntries(book.takeTouched().map(name => [name, book.entry(name)]))
  const second = new JobBook()
  second.restore(entries(first))
  const third = new JobBook()
  third.restore(entries(second))
  assert.equal(third.memory('night').decided_ms, 7)
  assert.equal(third.memory('night').paused?.by, 'ada')
})

test('what was decided ahead of the clock goes back when a person asks, and never forward by it', () => {
  const book = new JobBook()
  book.apply({ op: 'rewind', job: 'night', until_ms: 5 }, AT)
  assert.equal(book.memory('night').decided_ms, null)
  book.apply({ op: 'decided', job: 'night', until_ms: 900 }, AT)
  book.apply({ op: 'decided', job: 'night', until_ms: 7 }, AT)
  assert.equal(book.memory('night').decided_ms, 900)
  book.apply({ op: 'rewind', job: 'night', until_ms: 7 }, AT)
  assert.equal(book.memory('night').decided_ms, 7)
  book.apply({ op: 'rewind', job: 'night', until_ms: 8 }, AT)
  assert.equal(book.memory('night').decided_ms, 7)
})

test('an attempt that was taken back may be begun anew, and is no attempt of its run', () => {
  const book = new JobBook()
  const row = rowOf(
    { name: 'night', params: {} } as JobPlan,
    { trigger: 'hand', by: 'ada', nominal: null, dueMs: 5, params: {}, upstream: {} },
    { nowMs: 5, mintId: () => 'R1' },
    null,
  )
  book.apply({ op: 'row', row }, AT)
  const now = { wallMs: 6, monoMs: 6 }
  assert.equal(book.begin('R1', 'A1', 1, now), true)
  book.takeBack('A1')
  assert.deepEqual([book.rows.get('R1')?.outcome, book.rows.get('R1')?.attempts], ['waiting', []])
  book.takeBack('A1')
  assert.equal(book.begin('R1', 'A2', 1, now), true)
  assert.deepEqual(
    book.rows.get('R1')?.attempts.map(({ id }) => id),
    ['A2'],
  )
})
