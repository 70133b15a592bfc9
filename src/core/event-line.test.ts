import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeEvent } from './event-line.ts'
import type { FleetEvent } from './view.ts'

function said(kind: FleetEvent['kind'], data: FleetEvent['data']): string {
  return describeEvent({ journal_id: 'J', seq: 1, at: '', kind, module: 'm', run_id: null, data })
}

test('an exit tells code or signal, never both, and what is unknown is said so', () => {
  const base = { code: null, signal: null, oom: null, asked: false, uptime_s: 12.3 }
  assert.equal(said('exited', { ...base, known: true, code: 3 }), 'exited: exit 3 after 12s')
  assert.equal(
    said('exited', { ...base, known: true, signal: 'SIGKILL', oom: true }),
    'exited: SIGKILL (out of memory) after 12s',
  )
  assert.equal(said('exited', { ...base, known: false }), 'exited: exit unknown after 12s')
  assert.equal(
    said('exited', { ...base, known: true, code: 0, asked: true }),
    'exited: exit 0 after 12s, asked for',
  )
})

test('other events tell who and why', () => {
  assert.equal(
    said('backoff', { delay_ms: 3000, attempt: 1, reason: 'exit 3' }),
    'backoff: 3s, attempt 1: exit 3',
  )
  assert.equal(said('stopping', { by: 'ada', why: 'stop' }), 'stopping: stop, by ada')
  assert.equal(
    said('plan_applied', { by: 'ada', changes: [{ module: 'luka', change: 'start' }] }),
    'plan_applied: by ada: start luka',
  )
  assert.equal(said('healthy', {}), 'healthy')
  const row = { run_id: 'R1', nominal: null, trigger: 'hand', by: 'ada', attempts: [{}, {}], reason: '' }
  assert.equal(said('job_planned', row), 'job_planned: hand by ada, run R1')
  assert.equal(said('job_running', row), 'job_running: attempt 2 of run R1')
  const over = { ...row, attempts: [{ ended_ms: 7 }], reason: 'again in 5s' }
  assert.equal(said('job_running', over), 'job_running: attempt 1 of run R1 ended: again in 5s')
  const late = { ...row, outcome: 'refused_late', reason: '2h late' }
  assert.equal(said('job_ended', late), 'job_ended: refused_late, run R1: 2h late')
})
