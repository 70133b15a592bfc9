import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JobBook } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import { openRows, rowOf, type Wish } from './scheduling.ts'

test('runs that were planned at once are taken in the order of their instants, whatever their ids', () => {
  const book = new JobBook()
  const catchUp = (ms: number): Wish => ({
    trigger: 'catch_up',
    by: 'schedule',
    nominal: { ms, local: String(ms) },
    dueMs: ms,
    params: {},
    upstream: {},
  })
  for (const [ms, id] of [
    [1, 'R9'],
    [2, 'R1'],
    [3, 'R5'],
  ] as const) {
    const row = rowOf(
      { name: 'night', params: {} } as JobPlan,
      catchUp(ms),
      { nowMs: 9, mintId: () => id },
      null,
    )
    book.apply({ op: 'row', row }, { wallMs: 9, monoMs: 9 })
  }
  assert.deepEqual(
    openRows(book, 'night').map(row => row.nominal_ms),
    [1, 2, 3],
  )
})
