/** The verbs about jobs as a user calls them, against the daemon's API over fake jobs. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { writeChecked } from '../../host/atomic-file.ts'
import { callCli } from '../../../test/cli-call.ts'
import { type FakeDaemon, fakeDaemon } from '../../../test/fake-daemon.ts'
import { FAKE_NOW, FakeJobs, fakeId, fakeRow, fakeView } from '../../../test/fake-jobs.ts'
import type { JobAttempt, JobRow } from '../../core/jobs/job-row.ts'
import { type JobView, ledgerRow } from '../../core/jobs/ledger-row.ts'
import type { StatusDocument } from '../../core/view.ts'
import type { Border } from '../context.ts'
import { statusLines } from '../paint-status.ts'

let dir = ''
let jobs: FakeJobs
let daemon: FakeDaemon

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mark-jobs-'))
  const lines = [
    '  night: { command: [sleep, "1"], schedule: "30 2 * * *" }',
    '  page: { command: [sleep, "1"] }',
  ]
  writeFileSync(join(dir, 'mark.yaml'), `name: sipa\ntimezone: Europe/Berlin\njobs:\n${lines.join('\n')}\n`)
  jobs = new FakeJobs()
  jobs.views.push(fakeView('night', { schedule: '30 2 * * *' }), fakeView('page'))
  daemon = await fakeDaemon(dir, jobs)
})
afterEach(async () => {
  await daemon.close()
  rmSync(dir, { recursive: true, force: true })
})

const mark = (...argv: string[]) => callCli(dir, argv)

const attempt = (more: Partial<JobAttempt> = {}): JobAttempt => ({
  ...{ id: fakeId('A1'), started_ms: FAKE_NOW + 250, mono_ms: 0, ended_ms: FAKE_NOW + 12_250 },
  exit: { known: true, code: 3, signal: null, core: false, oom: false, evidence: 'wait' },
  ...{ stop: null, reason: 'exit 3', ...more },
})
const failed = (more: Partial<JobRow> = {}): JobRow =>
  fakeRow(fakeId('R7'), {
    ...{ outcome: 'failed', reason: 'exit 3', attempts: [attempt()], ended_ms: FAKE_NOW + 12_250 },
    ...{ trigger: 'schedule', nominal: '2026-03-28T13:00:00+01:00', nominal_ms: FAKE_NOW, ...more },
  })

test('jobs are a table, and a document', async () => {
  const soon = new Date(Date.now() + 3 * 3_600_000 + 60_000).toISOString()
  const paused = { by: 'ann', note: 'audit', at: new Date(Date.now() - 120_000).toISOString() }
  jobs.views.splice(0, 2)
  jobs.views.push(
    fakeView('night', { schedule: '30 2 * * *', next_at: soon, next_local: '2026-03-29T03:00:00+02:00' }),
    fakeView('late', { begin_by: '2026-03-28T15:13:00-05:00' }),
    fakeView('page', { state: 'paused', paused, last: { run_id: fakeId('R1'), outcome: 'lost', at: soon } }),
    fakeView('busy', {
      state: 'running',
      runs: [ledgerRow(fakeRow(fakeId('R2'), { outcome: 'running' }))],
    }),
  )
  const { status, out } = await mark('jobs')
  assert.equal(status, 0)
  assert.match(out, /^JOB +STATE +NEXT +LAST +SCHEDULE +NOTE\n/)
  assert.match(out, /night +○ idle +2026-03-29T03:00:00\+02:00 \(in 3h( 1m)?\) +- +30 2 \* \* \*\n/)
  assert.match(out, /page +■ paused +- +✗ lost .* by hand +paused by ann 2m ago: audit\n/)
  assert.match(out, /late +○ idle .* by hand +must begin by 15:13-05:00\n/)
  assert.match(out, /busy +● running .* running 01R20+\n/)
  const { jobs: list } = JSON.parse((await mark('jobs', '--json')).out)
  assert.deepEqual(list, JSON.parse(JSON.stringify(jobs.views)))
})

test('of a fleet that is not up, jobs are what mark.yaml says', async () => {
  await daemon.close()
  const { status, out, err } = await mark('jobs')
  assert.equal(status, 0)
  assert.match(err, /not up, so no job runs/)
  assert.match(out, /night +○ idle +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00 \(in .+\) +- +30 2 \* \* \*\n/)
  assert.match(out, /page +○ idle +- +- +by hand\n/)
  for (const argv of [
    ['run', 'night'],
    ['run', 'night', '--wait'],
    ['job', 'pause', 'night'],
    ['job', 'show', 'x'],
  ]) {
    const refused = await mark(...argv)
    assert.deepEqual([refused.status, refused.out], [3, ''], argv.join(' '))
    assert.match(refused.err, /^error\[MARK_NOT_RUNNING\]: This fleet is not up\./)
  }
})

test('a run by hand is one line, with its parameters and who asked', async () => {
  const { status, out, err } = await mark(
    'run',
    'night',
    '--param',
    'pair=A=B',
    '--param',
    'n=',
    '--from',
    'page',
  )
  assert.equal(status, 0)
  assert.equal(out, `${fakeId('R0')}  ◌ waiting\n`)
  assert.match(err, /mark job show/)
  const order = { params: { pair: 'A=B', n: '' }, from: 'page', by: 'tester' }
  assert.deepEqual(jobs.orders, [{ run: 'night', ...order }])
  assert.equal((await mark('run', 'night', '--param', 'novalue')).status, 2)
  assert.equal((await mark('run')).status, 2)
})

test('a run that is refused or skipped is exit 5, with the row all the same', async () => {
  jobs.next = { outcome: 'skipped_overlap', reason: 'run before goes on', ended_ms: FAKE_NOW }
  const { status, out, err } = await mark('run', 'night')
  assert.equal(status, 5)
  assert.match(out, /– skipped_overlap +run before goes on\n$/)
  assert.match(err, /^error\[MARK_REFUSED\]: .*skipped_overlap, run before goes on/)
  const document = await mark('run', 'night', '--json')
  assert.deepEqual([document.status, JSON.parse(document.out).outcome], [5, 'skipped_overlap'])
})

/** Calls `mark run night --wait`; `then` once the run was asked for. */
async function waited(then: (row: JobRow) => void, more: Partial<Border> = {}) {
  jobs.ran = row => setImmediate(() => then(row))
  return await callCli(dir, ['run', 'night', '--wait'], more)
}

test('a wait tells how the run goes on, and ends with it', async () => {
  const going = {
    outcome: 'running',
    attempts: [attempt({ ended_ms: null, exit: null, reason: '' })],
  } as const
  const over = {
    outcome: 'succeeded',
    attempts: [attempt({ reason: '' })],
    ended_ms: FAKE_NOW + 12_250,
  } as const
  const good = await waited(row => {
    daemon.tell({ ...row, ...going })
    daemon.tell({ ...row, ...over })
  })
  assert.equal(good.status, 0)
  assert.match(good.out, /^01R00+ +✓ succeeded +took 12s\n$/)
  assert.match(good.err, /run 01R00+ of night\n.* succeeded after 1 attempt\n/s)
  const bad = await waited(row => daemon.tell({ ...row, ...over, outcome: 'timed_out', reason: 'after 10s' }))
  assert.equal(bad.status, 1)
  assert.match(
    bad.err,
    /error\[MARK_FAILED\]: The run did not succeed: timed_out, after 10s\. hint: mark job show/,
  )
})

test('a wait goes on over a daemon that is succeeded, and learns of an end between the two', async () => {
  const { status, out } = await waited(row => {
    void daemon.close().then(async () => {
      jobs.rows.splice(0, 1, { ...row, outcome: 'succeeded' })
      daemon = await fakeDaemon(dir, jobs)
    })
  })
  assert.equal(status, 0)
  assert.match(out, /✓ succeeded/)
})

test('Ctrl-C leaves the run alone, and says how to end it', async () => {
  let interrupt = (): void => {}
  const onSignal: Border['onSignal'] = (name, heard) => {
    if (name === 'SIGINT') interrupt = heard
    return () => {}
  }
  const { status, out, err } = await waited(() => setImmediate(() => interrupt()), { onSignal })
  assert.deepEqual([status, out], [1, ''])
  assert.match(err, /the run goes on; to end it: mark job cancel 01R00+\n$/)
  assert.equal(jobs.orders.length, 1)
})

test('history is one line a row, in the zone of the job, and goes back as far as is asked', async () => {
  jobs.rows.push(
    failed(),
    ...Array.from({ length: 600 }, (_, n) => fakeRow(fakeId(`H${n}`), { planned_ms: FAKE_NOW - n })),
  )
  const { status, out } = await mark('job', 'history', 'night', '-n', '3')
  assert.equal(status, 0)
  const [head, first, second, ...more] = out.trimEnd().split('\n')
  assert.match(head ?? '', /^PLANNED +TRIGGER +LATE +TOOK +ATTEMPTS +OUTCOME +RUN +REASON$/)
  assert.match(first ?? '', /^2026-03-28T13:00:00\+01:00 +schedule +250ms +12s +1 +✗ failed +01R70+ +exit 3$/)
  assert.match(second ?? '', /^2026-03-28T13:00:00\+01:00 +hand +- +- +0 +◌ waiting /)
  assert.equal(more.length, 1)
  const document = JSON.parse((await mark('job', 'history', 'night', '--limit', '550', '--json')).out)
  assert.deepEqual([document.job, document.runs.length], ['night', 550])
  const lost = await mark('job', 'history', 'night', '--outcome', 'failed', '--json')
  assert.deepEqual(JSON.parse(lost.out).runs, [JSON.parse(JSON.stringify(ledgerRow(failed())))])
  assert.equal((await mark('job', 'history', 'night', '--outcome', 'fine')).status, 2)
})

test('one run is shown with its attempts, what it put out and its last lines', async () => {
  await daemon.close()
  const line = { module: 'night', offset: 0, end: 9, timeMs: null, exact: false, level: null }
  const tail = () => [{ ...line, text: 'no \x1b[2Jmoney', runId: null, continued: false }]
  daemon = await fakeDaemon(dir, jobs, { logs: { tail } })
  jobs.rows.push(
    failed({ outputs: { until: '2026-03-28' }, params: { pair: 'BTC' }, upstream: { page: fakeId('R6') } }),
  )
  jobs.spans.push({ runId: fakeId('A1'), from: 0, to: 9 })
  const { status, out } = await mark('job', 'show', fakeId('R7'))
  assert.equal(status, 0)
  assert.match(out, /^night {2}✗ failed {2}exit 3\n/)
  assert.match(out, /planned +2026-03-28T13:00:00\+01:00\n.*late by +250ms\n.*took +12s\n/s)
  assert.match(out, /after +page 01R60+\n/)
  assert.match(out, /params\n +pair +BTC\noutputs\n +until +2026-03-28\nattempts\n/)
  assert.match(out, /attempts\n +1 {2}2026-03-28T13:00:00\+01:00 {2}exit 3 {2}12s/)
  assert.match(out, /last lines\n {2}no \\x1b\[2Jmoney\n$/)
  const document = JSON.parse((await mark('job', 'show', fakeId('R7'), '--json')).out)
  assert.deepEqual([document.run.run_id, document.log.length], [fakeId('R7'), 1])
  const unknown = await mark('job', 'show', fakeId('R8'))
  assert.equal(unknown.status, 4)
  assert.match(unknown.err, /^error\[MARK_NO_SUCH_RUN\]: .*mark job history JOB/)
})

test('pause, resume, cancel and backfill are orders that say what they do', async () => {
  const open = fakeRow(fakeId('R1'), { outcome: 'running' })
  jobs.rows.push(open)
  jobs.views.splice(0, 1, fakeView('night', { state: 'running', runs: [ledgerRow(open)] }))
  assert.match(
    (await mark('job', 'pause', 'night', '--note', 'audit')).err,
    /night is paused: .*mark job resume night/,
  )
  assert.match((await mark('job', 'resume', 'night')).err, /night is not paused/)
  assert.match((await mark('job', 'cancel', 'night')).err, /run 01R10+ of night is told to stop/)
  assert.match((await mark('job', 'cancel', fakeId('R1'), '--kill')).err, /is killed/)
  assert.match((await mark('job', 'cancel', 'page')).err, /no run of page runs or waits/)
  const times = ['--from', '2026-03-01T00:00:00Z', '--until', '2026-03-02T00:00:00Z']
  assert.match((await mark('job', 'backfill', 'night', ...times)).out, /^01F10+ .*\n01F20+ .*\n$/)
  assert.equal((await mark('job', 'backfill', 'night')).status, 2)
  const by = 'tester'
  assert.deepEqual(jobs.orders, [
    { pause: 'night', by, note: 'audit' },
    { resume: 'night', by },
    { cancel: fakeId('R1'), kill: false, by, reason: null },
    { cancel: fakeId('R1'), kill: true, by, reason: null },
    { backfill: 'night', fromMs: Date.UTC(2026, 2, 1), untilMs: Date.UTC(2026, 2, 2), by },
  ])
})

test('a word that is no job is exit 4, with the nearest name', async () => {
  for (const argv of [['run'], ['job', 'history'], ['job', 'pause'], ['job', 'cancel']]) {
    const { status, err } = await mark(...argv, 'nigth')
    assert.equal(status, 4, argv.join(' '))
    assert.match(err, /^error\[MARK_NO_SUCH_JOB\]: There is no job `nigth`\. hint: did you mean `night`\?\n$/)
  }
  assert.equal((await mark('run', '../x')).status, 4)
})

test('a Tab completes jobs where a job is meant', async () => {
  for (const words of [['run'], ['logs'], ['job', 'history'], ['job', 'pause'], ['job', 'cancel']]) {
    assert.equal((await mark('__complete', '--', ...words, 'ni')).out, 'night\n', words.join(' '))
  }
  assert.equal((await mark('__complete', '--', 'job', 'show', 'ni')).out, '')
})

test('a job has a log like a module, also before its first run', async () => {
  const plan = { version: 1, modules: [], groups: {}, jobs: [{ name: 'night' }] }
  writeChecked(join(dir, '.mark', 'plan.json'), plan, { mode: 0o600, fsync: false })
  assert.deepEqual(await mark('logs', 'night'), { status: 0, out: '', err: '' })
  mkdirSync(join(dir, '.mark', 'logs'))
  writeFileSync(join(dir, '.mark', 'logs', 'night.log'), 'it is late\n')
  assert.match((await mark('logs', 'night')).out, /night \| .*it is late\n$/)
  assert.match((await mark('logs')).out, /it is late/)
  assert.equal((await mark('logs', 'nobody')).status, 4)
})

test('status has a table of jobs where there are any', () => {
  const head = { fleet: 'sipa', state: 'up', mode: 'TEST', autonomy: 'VIRTUAL', strategy: 'NORMAL' }
  const document = { ...head, kills: [], degraded: [], keeper: null, daemon: null, modules: [] }
  const look = { paint: (_style: unknown, text: string) => text, isTty: false, columns: 80 }
  const shown = (list: readonly JobView[]) =>
    statusLines({ ...document, jobs: list } as unknown as StatusDocument, look)
  assert.deepEqual(shown([]).slice(1), ['no modules'])
  assert.deepEqual(shown([fakeView('night')]).slice(1), [
    'JOB    STATE   NEXT  LAST  SCHEDULE',
    'night  ○ idle  -     -     by hand',
  ])
})
