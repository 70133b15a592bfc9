import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JobBook } from './job-book.ts'

test('what a keeper remembers of a job is handed on by the next one, though nothing happened to the job', () => {
  const first = new JobBook()
  first.apply({ op: 'paused', job: 'night', paused: { by: 'ada', note: null, at_ms: 5 } }, 5)
  first.apply({ op: 'decided', job: 'night', until_ms: 7 }, 7)
  const entries = (book: JobBook): Record<string, unknown> =>
    Object.fromEntries(book.takeTouched().map(name => [name, book.entry(name)]))
  const second = new JobBook()
  second.restore(entries(first))
  const third = new JobBook()
  third.restore(entries(second))
  assert.equal(third.memory('night').decided_ms, 7)
  assert.equal(third.memory('night').paused?.by, 'ada')
})
