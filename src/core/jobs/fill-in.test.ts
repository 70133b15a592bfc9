/** What a run reads: params, and what earlier jobs printed; never more than text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bookOf, jobPlan, jobRow } from '../../../test/simulation/job-plans.ts'
import { fillIn } from './fill-in.ts'
import { NO_MEMORY } from './job-book.ts'
import { readOutputs } from './job-outputs.ts'

const job = (argv: string[], environment = {}) => {
  const plain = jobPlan('luka')
  return { ...plain, start: { ...plain.start, argv, environment } }
}
const BOOK = bookOf([])
BOOK.learn([], { night: { ...NO_MEMORY, outputs: { until: '2026-01-01' } } })
const filled = (argv: string[], params = {}, environment = {}) =>
  fillIn(job(argv, environment), jobRow('luka', { params }), 'A1', BOOK)

test('params and outputs are filled into the command and the variables', () => {
  const answer = filled(
    ['x', '${params.PAIR}-${jobs.night.outputs.until}'],
    { PAIR: 'BTC' },
    { U: '${params.PAIR}' },
  )
  assert.ok(answer.ok)
  assert.deepEqual(answer.filled.argv, ['x', 'BTC-2026-01-01'])
  assert.deepEqual([answer.filled.variables.U, answer.filled.variables.PAIR], ['BTC', 'BTC'])
  assert.equal(answer.filled.variables.MARK_JOB_ATTEMPT_ID, 'A1')
})

test('what is filled in is never read again', () => {
  const answer = filled(['x', '${params.A}'], { A: '${params.B}', B: 'secret' })
  assert.ok(answer.ok)
  assert.deepEqual(answer.filled.argv, ['x', '${params.B}'])
})

test('an output that nobody printed yet refuses the start, and says which', () => {
  const answer = filled(['x', '${jobs.night.outputs.rows}'])
  assert.deepEqual(answer, { ok: false, why: 'night has printed no rows yet' })
})

test('a run that comes after others reads how they ended, and what nobody knows any more as unknown', () => {
  const book = bookOf([jobRow('roko', { run_id: 'R1', outcome: 'failed' })])
  const last = { run_id: 'D1', outcome: 'succeeded', at_ms: 1 } as const
  book.learn([], { dabi: { ...NO_MEMORY, last }, luka: { ...NO_MEMORY, last } })
  const row = jobRow('all', { upstream: { roko: 'R1', dabi: 'D1', luka: 'L1' } })
  const answer = fillIn(job(['x']), row, 'A1', book)
  assert.ok(answer.ok)
  assert.equal(answer.filled.variables.MARK_JOB_UPSTREAM, 'roko=failed dabi=succeeded luka=unknown')
  const alone = fillIn(job(['x']), jobRow('all'), 'A1', book)
  assert.ok(alone.ok)
  assert.equal(alone.filled.variables.MARK_JOB_UPSTREAM, '')
})

test('outputs are read as text, the last of a name counts, and wrong lines are told', () => {
  const lines = [
    'hello',
    'MARK_OUTPUT until=$(touch x)',
    'MARK_OUTPUT rows=1',
    'MARK_OUTPUT rows=2',
    'MARK_OUTPUT other=1',
    'MARK_OUTPUT =1',
    `MARK_OUTPUT rows=${'9'.repeat(5000)}`,
    'MARK_OUTPUT rows=a\u0000b',
  ]
  const { values, faults } = readOutputs(lines, ['until', 'rows'])
  assert.deepEqual(values, { until: '$(touch x)', rows: '2' })
  assert.deepEqual(faults.length, 4)
  assert.match(
    faults.join('\n'),
    /other, which is not declared[\s\S]*no `MARK_OUTPUT name=value`[\s\S]*longer[\s\S]*control/,
  )
})
