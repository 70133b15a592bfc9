import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideJob } from './decide.ts'
import { JobBook } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { JobRow } from './job-row.ts'
import { rowOf, type Scheduling, type Wish } from './scheduling.ts'

const NOW = { wallMs: 9, monoMs: 9 }
const EXIT = { known: true, code: 0, signal: null } as never

function bookOf(...runIds: readonly string[]): JobBook {
  const book = new JobBook()
  const wish: Wish = { trigger: 'hand', by: 'ada', nominal: null, dueMs: 5, params: {}, upstream: {} }
  for (const id of runIds) {
    const row = rowOf({ name: 'old', params: {} } as JobPlan, wish, { nowMs: 5, mintId: () => id }, null)
    book.apply({ op: 'row', row }, { wallMs: 5, monoMs: 5 })
  }
  return book
}

function ends(book: JobBook): Record<string, JobRow['outcome']> {
  const { ops, starts } = decideJob('old', { jobs: new Map(), book, nowMs: 9 } as unknown as Scheduling)
  assert.deepEqual(starts, [])
  for (const op of ops) book.apply(op, { wallMs: 9, monoMs: 9 })
  return Object.fromEntries([...book.rows.values()].map(row => [row.run_id, row.outcome]))
}

test('of a job that the plan knows no more, what waits is cancelled and what runs may run out', () => {
  const book = bookOf('R1', 'R2')
  book.begin('R1', 'A1', 1, NOW)
  assert.deepEqual(ends(book), { R1: 'running', R2: 'cancelled' })
  book.ended('A1', { exit: EXIT, stop: null, reason: '' }, 9)
  assert.deepEqual(ends(book), { R1: 'succeeded', R2: 'cancelled' })
})

test('a run of such a job is not tried again', () => {
  const book = bookOf('R1', 'R2')
  for (const id of ['R1', 'R2']) {
    book.begin(id, `A-${id}`, 1, NOW)
    book.ended(`A-${id}`, { exit: { ...(EXIT as object), code: 3 } as never, stop: null, reason: '' }, 9)
  }
  book.apply(
    { op: 'again', run_id: 'R2', attempts: 1, due_ms: 10, reason: 'exit 3' },
    { wallMs: 9, monoMs: 9 },
  )
  assert.deepEqual(ends(book), { R1: 'failed', R2: 'cancelled' })
})
