import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeApi } from '../../../test/fake-api.ts'
import { FakeJobs, fakeId, fakeRow, fakeView } from '../../../test/fake-jobs.ts'
import type { LogLine } from '../../core/log-line.ts'
import { makeApp } from './app.ts'
import type { ApiDeps } from './deps.ts'

/** Whatever any of these addresses answers. */
interface Answer {
  readonly [key: string]: unknown
  readonly jobs: { name: string }[]
  readonly runs: { run_id: string }[]
  readonly lines: { text: string }[]
}

function bench(more: Partial<ApiDeps> = {}) {
  const jobs = new FakeJobs()
  jobs.views.push(fakeView('night'), fakeView('report'))
  const app = makeApp(fakeApi(jobs, more), ['localhost'])
  const ask = async (path: string, body?: unknown, key?: string) => {
    const headers = { host: 'localhost', 'content-type': 'application/json' }
    const init = {
      headers: key === undefined ? headers : { ...headers, 'idempotency-key': key },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    }
    const response = await app.request(`http://localhost/api/v1${path}`, init)
    return { status: response.status, value: (await response.json()) as Answer }
  }
  return { jobs, ask }
}

test('jobs, one job, and what is none, are answered', async () => {
  const { ask } = bench()
  assert.deepEqual(
    (await ask('/jobs')).value.jobs.map(job => job.name),
    ['night', 'report'],
  )
  assert.equal((await ask('/jobs/night')).value.name, 'night')
  for (const path of ['/jobs/nobody', '/jobs/UP', '/jobs/nobody/runs', '/jobs/..%2fx']) {
    const { status, value } = await ask(path)
    assert.deepEqual([status, value.code], [404, 'MARK_NO_SUCH_JOB'], path)
  }
  assert.equal((await ask('/jobs?x=1')).status, 400)
})

test('the ledger of a job comes page by page, newest first, also of a job that is no more', async () => {
  const { jobs, ask } = bench()
  jobs.rows.push(...[1, 2, 3, 4, 5].map(number => fakeRow(fakeId(`R${number}`), { outcome: 'succeeded' })))
  jobs.rows.push(fakeRow(fakeId('X'), { job: 'gone', outcome: 'failed' }))
  const first = (await ask('/jobs/night/runs?limit=2')).value
  const rest = (await ask(`/jobs/night/runs?cursor=${first.next_cursor}`)).value
  assert.deepEqual(
    [...first.runs, ...rest.runs].map(row => row.run_id),
    [1, 2, 3, 4, 5].map(number => fakeId(`R${number}`)),
  )
  assert.equal(rest.next_cursor, null)
  assert.equal((await ask('/jobs/gone/runs?outcome=failed')).value.runs.length, 1)
  assert.equal((await ask('/jobs/night/runs?outcome=lost')).value.runs.length, 0)
  for (const query of ['outcome=fine', 'limit=0', 'limit=501', 'cursor=x', 'since=5m']) {
    assert.equal((await ask(`/jobs/night/runs?${query}`)).status, 400, query)
  }
})

test('a run is told by the scheduler while it is open, then by the archive', async () => {
  const asked: string[] = []
  const ended = fakeRow(fakeId('B'), { outcome: 'succeeded' })
  const jobs = new FakeJobs()
  const { archive } = fakeApi(jobs)
  const jobRow = async (runId: string) => {
    asked.push(runId)
    return runId === ended.run_id ? ended : null
  }
  const { jobs: known, ask } = bench({ archive: { ...archive, jobRow } })
  known.rows.push(fakeRow(fakeId('A'), { outcome: 'running' }))
  assert.equal((await ask(`/runs/${fakeId('A')}`)).value.outcome, 'running')
  assert.equal((await ask(`/runs/${fakeId('B')}`)).value.outcome, 'succeeded')
  assert.deepEqual(asked, [fakeId('B')])
  for (const id of [fakeId('C'), 'x', '..%2fx']) {
    const { status, value } = await ask(`/runs/${id}`)
    assert.deepEqual([status, value.code], [404, 'MARK_NO_SUCH_RUN'], id)
  }
})

test('the log of a run is the lines of its attempts and of nothing else', async () => {
  const line = (number: number): LogLine => ({
    ...{ module: 'night', offset: number * 10, end: number * 10 + 10, timeMs: null, exact: false },
    ...{ level: null, text: `line ${number}`, runId: null, continued: false },
  })
  const all = Array.from({ length: 100 }, (_, number) => line(number))
  const tail = (_module: string, count: number, before: number | null) =>
    all.filter(one => before === null || one.offset < before).slice(-count)
  const { jobs, ask } = bench({ logs: { tail } })
  const attempt = (id: string) => ({ id, started_ms: 0, mono_ms: 0, ended_ms: null, exit: null, stop: null })
  const attempts = ['A1', 'A2', 'A3'].map(id => ({ ...attempt(fakeId(id)), reason: '' }))
  jobs.rows.push(fakeRow(fakeId('A'), { attempts, outcome: 'running' }))
  jobs.spans.push(
    { runId: fakeId('A1'), from: 100, to: 130 },
    { runId: fakeId('A2'), from: 200, to: 220 },
    { runId: fakeId('A3'), from: 980, to: null },
    { runId: fakeId('Z'), from: 0, to: null },
  )
  const texts = async (query = '') =>
    (await ask(`/runs/${fakeId('A')}/log${query}`)).value.lines.map(one => one.text)
  assert.deepEqual(
    await texts(),
    [10, 11, 12, 20, 21, 98, 99].map(number => `line ${number}`),
  )
  assert.deepEqual(await texts('?n=3'), ['line 21', 'line 98', 'line 99'])
  assert.equal((await ask(`/runs/${fakeId('A')}/log?n=5001`)).status, 400)
  assert.equal((await ask('/modules/night/logs')).status, 200)
  assert.equal((await ask('/modules/nobody/logs')).status, 404)
})

test('orders go to the scheduler, with who asked', async () => {
  const { jobs, ask } = bench()
  jobs.rows.push(fakeRow(fakeId('A')))
  const run = await ask('/jobs/night/run', { params: { pair: 'BTC/EUR' }, from: 'report', by: 'ann' })
  assert.deepEqual([run.status, run.value.outcome], [202, 'waiting'])
  assert.equal((await ask('/jobs/night/pause', { note: 'audit' })).value.state, 'paused')
  assert.equal((await ask('/jobs/night/resume', {})).value.state, 'idle')
  const span = { from: '2026-03-01T00:00:00Z', until: '2026-03-02T00:00:00+01:00' }
  assert.equal((await ask('/jobs/night/backfill', span)).value.runs.length, 2)
  assert.equal((await ask(`/runs/${fakeId('A')}/cancel`, { kill: true, reason: 'wrong' })).status, 202)
  assert.deepEqual(jobs.orders, [
    { run: 'night', params: { pair: 'BTC/EUR' }, from: 'report', by: 'ann' },
    { pause: 'night', by: 'api', note: 'audit' },
    { resume: 'night', by: 'api' },
    { backfill: 'night', fromMs: Date.UTC(2026, 2, 1), untilMs: Date.UTC(2026, 2, 1, 23), by: 'api' },
    { cancel: fakeId('A'), kill: true, by: 'api', reason: 'wrong' },
  ])
})

test('before the keeper was heard nobody says that there is no job', async () => {
  const { jobs, ask } = bench({ fleet: () => null })
  jobs.views.splice(0)
  for (const path of ['/jobs', '/jobs/night']) assert.equal((await ask(path)).value.code, 'MARK_NOT_RUNNING')
  assert.equal((await ask('/jobs/night/run', {})).status, 503)
})

test('an order that is asked twice under one key is one order', async () => {
  const { jobs, ask } = bench()
  const [first, second] = [await ask('/jobs/night/run', {}, 'k'), await ask('/jobs/night/run', {}, 'k')]
  assert.equal(first.value.run_id, second.value.run_id)
  assert.equal(jobs.orders.length, 1)
})

test('orders that make no sense are refused and reach nobody', async () => {
  const { jobs, ask } = bench()
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, number) => [`k${number}`, 'v']))
  const bad: [string, unknown][] = [
    ['/jobs/night/run', { command: ['sh'] }],
    ['/jobs/night/run', { params: ['a'] }],
    ['/jobs/night/run', { params: { 'a b': 'x' } }],
    ['/jobs/night/run', { params: { a: 1 } }],
    ['/jobs/night/run', { params: { a: 'x\ny' } }],
    ['/jobs/night/run', { params: many }],
    ['/jobs/night/run', { from: 7 }],
    ['/jobs/night/pause', { note: 'x'.repeat(501) }],
    ['/jobs/night/backfill', {}],
    ['/jobs/night/backfill', { from: '2026-03-01', until: '2026-03-02T00:00:00Z' }],
    ['/jobs/night/backfill', { from: '2026-03-02T00:00:00Z', until: '2026-03-02T00:00:00Z' }],
    [`/runs/${fakeId('A')}/cancel`, { kill: 'yes' }],
  ]
  for (const [path, body] of bad) assert.equal((await ask(path, body)).status, 400, JSON.stringify(body))
  for (const path of ['/jobs/nobody/run', '/jobs/nobody/pause', '/runs/x/cancel']) {
    assert.equal((await ask(path, {})).status, 404, path)
  }
  assert.equal((await ask('/jobs/night/run', { from: '../x' })).value.code, 'MARK_NO_SUCH_JOB')
  assert.deepEqual(jobs.orders, [])
})
