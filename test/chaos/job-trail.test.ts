import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobTrailOf } from './job-trail.ts'
import type { JournalEvent } from './journal.ts'

let seq = 0
const event = (kind: string, run_id: string, data: Record<string, unknown> = {}): JournalEvent => ({
  seq: ++seq,
  at: '2026-01-01T00:00:00.000Z',
  kind,
  module: 'ingest',
  run_id,
  data: { trigger: 'schedule', nominal: `at ${run_id}`, ...data },
})
const whole = (run: string): JournalEvent[] => [
  event('job_planned', run, { outcome: 'waiting' }),
  event('started', `${run} first`),
  event('job_running', run, { outcome: 'running', attempts: [{ ended_ms: null }] }),
  event('job_ended', run, { outcome: 'succeeded', attempts: [{ ended_ms: 1 }] }),
]

test('runs that end once are counted by their outcome', () => {
  const { problems, attempts, outcomes } = jobTrailOf([...whole('a'), ...whole('b')])
  assert.deepEqual([problems, attempts, outcomes], [[], 2, { succeeded: 2 }])
})

test('an instant, attempt or end that comes twice is a fault, and an attempt without an end', () => {
  const twice = event('job_planned', 'b', { nominal: 'at a', outcome: 'waiting' })
  const faults = [
    [...whole('a'), twice],
    [...whole('a'), event('started', 'a first')],
    [...whole('a'), event('job_ended', 'a', { outcome: 'lost' })],
    whole('a').slice(0, 3),
  ]
  for (const events of faults) assert.equal(jobTrailOf(events).problems.length, 1)
})
