/** finish_by: each sentence at its moment, once, and none where nothing is to be done. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { afterJobs, attempt, cron, jobPlan, jobRow, scheduling } from '../../../test/simulation/job-plans.ts'
import type { TimeZone } from '../cron-instants.ts'
import { beginBy, type FinishGiven, finishAlerts } from './finish.ts'
import { JobBook, type JobMemory, NO_MEMORY } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import type { JobRow } from './job-row.ts'

const MINUTE_MS = 60_000
const NEW_YORK = 'America/New_York'
const FINISH = { finishBy: { minute: 925, timezone: NEW_YORK } }
/** On the second of February 2026 in New York, a Monday. */
const at = (time: string): number => Date.parse(`2026-02-02T${time}:00-05:00`)
const took = (minutes: number): Partial<JobMemory> => ({ took_ms: Array(3).fill(minutes * MINUTE_MS) })
const { clockworkOf } = scheduling([])
const zoneOf = (timezone: string): TimeZone => clockworkOf(jobPlan('any', { timezone })).zone
const done = (ms: number): Partial<JobMemory> => ({ succeeded_ms: ms })

interface Known {
  readonly memory?: Readonly<Record<string, Partial<JobMemory>>>
  readonly rows?: readonly JobRow[]
  readonly closed?: (job: JobPlan, ms: number) => string | null
}

function givenOf(
  jobs: readonly JobPlan[],
  { memory = {}, rows = [], closed = () => null }: Known,
): FinishGiven {
  const book = new JobBook()
  const entries = Object.entries(memory).map(([name, more]) => [name, { ...NO_MEMORY, ...more }] as const)
  book.learn(rows, Object.fromEntries(entries))
  return { jobs: new Map(jobs.map(job => [job.name, job])), book, closed, clockworkOf, zoneOf }
}

/** Looked at every half minute from one time to the other; `2 sentence` where it comes at that minute. */
function told(jobs: readonly JobPlan[], known: Known, fromMs = at('12:00'), toMs = at('18:00')): string[] {
  const job = jobs.at(-1) as JobPlan
  const all: string[] = []
  for (let ms = fromMs; ms < toMs; ms += MINUTE_MS / 2) {
    const sentences = finishAlerts(job, givenOf(jobs, known), ms, ms + MINUTE_MS / 2)
    const time = new Date(ms + MINUTE_MS / 2 - 5 * 60 * MINUTE_MS).toISOString().slice(11, 16)
    all.push(...sentences.map(sentence => `${time} ${sentence}`))
  }
  return all
}

const DABI = jobPlan('dabi', { ...FINISH, timezone: NEW_YORK, schedule: cron('0 14 * * 1-5') })
const CANNOT = '15:13 cannot be done by 15:25 America/New_York: it takes 12m (p95), and it has not begun'
const NOT_DONE = '15:25 is not done by 15:25 America/New_York'

describe('a job alone', () => {
  test('that never begins: when it is too late for it, and when it is not done', () => {
    const memory = { dabi: took(12) }
    assert.deepEqual(told([DABI], { memory }), [CANNOT, `${NOT_DONE}: it has not begun`])
  })
  test('that ran before: its end is said', () => {
    const last = { run_id: 'r', outcome: 'failed', at_ms: at('14:05') } as const
    const says = told([DABI], { memory: { dabi: { ...took(12), last } } })
    assert.deepEqual(says, [
      CANNOT.replace('it has not begun', 'its last run ended as failed'),
      `${NOT_DONE}: its last run ended as failed`,
    ])
  })
  test('with fewer than three runs: nobody can say before', () => {
    const memory = { dabi: { took_ms: [MINUTE_MS, MINUTE_MS] } }
    assert.deepEqual(told([DABI], { memory }), [`${NOT_DONE}: it has not begun`])
  })
  test('that is under way, waits, or is paused: only that it is not done', () => {
    const memory = { dabi: took(12) }
    const runs = [jobRow('dabi', { attempts: [attempt({ ended_ms: null })] })]
    assert.deepEqual(told([DABI], { memory, rows: runs }), [`${NOT_DONE}: it goes on`])
    assert.deepEqual(told([DABI], { memory, rows: [jobRow('dabi')] }), [CANNOT, `${NOT_DONE}: it waits`])
    const paused = { by: 'ann', note: null, at_ms: 0 }
    assert.deepEqual(told([DABI], { memory: { dabi: { ...took(12), paused } } }), [
      `${NOT_DONE}: paused by ann`,
    ])
  })
  test('that succeeded since the deadline before: nothing, also if a later run was skipped', () => {
    const last = { run_id: 'r', outcome: 'skipped_overlap', at_ms: at('15:00') } as const
    assert.deepEqual(told([DABI], { memory: { dabi: { ...took(12), ...done(at('14:05')), last } } }), [])
    const ahead = { dabi: { ...took(12), ...done(at('14:05') + 365 * 1440 * MINUTE_MS) } }
    assert.equal(told([DABI], { memory: ahead }).length, 2, 'of a clock that was ahead')
    const before = { dabi: { ...took(12), ...done(at('14:05') - 1440 * MINUTE_MS) } }
    assert.equal(told([DABI], { memory: before }).length, 2)
    const old = { run_id: 'r', outcome: 'succeeded', at_ms: at('14:05') } as const
    assert.deepEqual(
      told([DABI], { memory: { dabi: { last: old } } }),
      [],
      'kept before there was succeeded_ms',
    )
  })
  test('on a day that is not its own: nothing', () => {
    const memory = { dabi: took(12) }
    const sunday = at('12:00') - 1440 * MINUTE_MS
    assert.deepEqual(told([DABI], { memory }, sunday, sunday + 360 * MINUTE_MS), [])
    assert.deepEqual(told([DABI], { memory, closed: () => 'a holiday' }), [])
  })
  test('p95 is the nineteenth of twenty, the twentieth is forgiven', () => {
    const took_ms = Array.from({ length: 20 }, (_, index) => (20 - index) * MINUTE_MS)
    assert.match(told([DABI], { memory: { dabi: { took_ms } } })[0] ?? '', /^15:06 .* takes 19m/)
  })
})

describe('a span that was long', () => {
  const memory = { dabi: took(12) }
  test('over the deadline says only that it is not done', () => {
    const says = finishAlerts(DABI, givenOf([DABI], { memory }), at('14:00'), at('16:00'))
    assert.deepEqual(says, ['is not done by 15:25 America/New_York: it has not begun'])
  })
  test('of a year tells of the last day alone, and one that went back of nothing', () => {
    const year = 365 * 1440 * MINUTE_MS
    const given = givenOf([DABI], { memory })
    assert.equal(finishAlerts(DABI, given, at('16:00') - year, at('16:00')).length, 1)
    assert.deepEqual(finishAlerts(DABI, given, at('16:00'), at('15:00')), [])
  })
})

describe('a chain', () => {
  const luka = jobPlan('luka', { timezone: NEW_YORK, schedule: cron('0 14 * * 1-5') })
  const slow = { join: 'all', upstream: [{ job: 'luka', on: 'success', delayMs: 5 * MINUTE_MS }] } as const
  const roko = jobPlan('roko', { ...afterJobs('luka'), after: slow })
  const dabi = jobPlan('dabi', { ...afterJobs('roko'), ...FINISH })
  const chain = [luka, roko, dabi]
  const memory = { luka: took(20), roko: took(5), dabi: took(12) }

  test('says by when its beginning should have begun, with the delays on its way', () => {
    assert.deepEqual(told(chain, { memory }), [
      '14:43 luka should have begun by 14:43 for dabi to be done by 15:25 America/New_York',
      CANNOT,
      `${NOT_DONE}: it has not begun`,
    ])
  })
  test('whose beginning is under way in time says nothing of those that wait for it', () => {
    const rows = [jobRow('luka', { attempts: [attempt({ ended_ms: null })] })]
    assert.deepEqual(told(chain, { memory, rows }), [CANNOT, `${NOT_DONE}: it has not begun`])
    const next = [jobRow('roko', { attempts: [attempt({ ended_ms: null })] })]
    const why = 'it has not begun: roko before it goes on'
    assert.equal(told(chain, { memory, rows: next }).at(-1), `${NOT_DONE}: ${why}`)
  })
  test('whose middle hangs names the middle', () => {
    const says = told(chain, { memory: { ...memory, luka: { ...took(20), ...done(at('14:20')) } } })
    assert.match(says[0] ?? '', /^15:08 roko should have begun by 15:08/)
    assert.equal(says.length, 3)
  })
  test('takes its longest way, and none through a job of which nobody knows how long it takes', () => {
    const side = jobPlan('side', { timezone: NEW_YORK, schedule: cron('0 14 * * 1-5') })
    const both = jobPlan('dabi', { ...afterJobs('luka', 'roko', 'side'), ...FINISH })
    const says = told([luka, roko, side, both], { memory })
    assert.match(says[0] ?? '', /^14:43 luka/)
    const unknown = told(chain, { memory: { luka: took(20), dabi: took(12) } })
    assert.deepEqual(unknown, [CANNOT, `${NOT_DONE}: it has not begun`])
  })
  test('of which the beginning has no run that day has no deadline that day', () => {
    const sunday = at('12:00') - 1440 * MINUTE_MS
    assert.deepEqual(told(chain, { memory }, sunday, sunday + 360 * MINUTE_MS), [])
  })
  test('of a branch for failures has no deadline until it is there', () => {
    const page = jobPlan('page', { ...afterJobs({ job: 'roko', on: 'failure' }), ...FINISH })
    assert.deepEqual(told([luka, roko, page], { memory }), [])
    assert.equal(told([luka, roko, page], { memory, rows: [jobRow('page')] }).length, 1)
  })
})

test('a chain whose ways meet again and again is looked at once a job', () => {
  const first = ['a0', 'b0'].map(name => jobPlan(name, { schedule: cron('0 14 * * *') }))
  const layers = Array.from({ length: 40 }, (_, at) =>
    ['a', 'b'].map(name => jobPlan(`${name}${at + 1}`, afterJobs(`a${at}`, `b${at}`))),
  )
  const last = jobPlan('last', { ...afterJobs('a40', 'b40'), ...FINISH })
  assert.deepEqual(told([...first, ...layers.flat(), last], {}), [`${NOT_DONE}: it has not begun`])
})

test('a clock change moves the deadline with the clock on the wall', () => {
  const berlin = { minute: 150, timezone: 'Europe/Berlin' }
  const job = jobPlan('night', { finishBy: berlin, timezone: 'Europe/Berlin', schedule: cron('0 1 * * *') })
  const given = givenOf([job], { memory: { night: took(12) } })
  const momentsOf = (day: string): string[] => {
    const from = Date.parse(`${day}T00:00:00Z`) - 6 * 60 * MINUTE_MS
    const minutes = Array.from({ length: 720 }, (_, index) => from + index * MINUTE_MS)
    return minutes
      .filter(ms => finishAlerts(job, given, ms - MINUTE_MS, ms).length > 0)
      .map(ms => new Date(ms).toISOString().slice(11, 16))
  }
  // 02:30 does not exist: the deadline is 03:00+02:00, right after the gap.
  assert.deepEqual(momentsOf('2026-03-29'), ['00:48', '01:00'])
  // 02:30 comes twice: the first pass, +02:00.
  assert.deepEqual(momentsOf('2026-10-25'), ['00:18', '00:30'])
  assert.deepEqual(momentsOf('2026-10-26'), ['01:18', '01:30'])
})

test('when it must begin is shown until it began or is done', () => {
  const memory = { dabi: took(12) }
  assert.equal(beginBy(DABI, givenOf([DABI], { memory }), at('12:00')), '2026-02-02T15:13:00-05:00')
  assert.equal(beginBy(DABI, givenOf([DABI], {}), at('12:00')), null)
  const rows = [jobRow('dabi', { attempts: [attempt()] })]
  assert.equal(beginBy(DABI, givenOf([DABI], { memory, rows }), at('12:00')), null)
  const ended = { dabi: { ...took(12), ...done(at('14:05')) } }
  assert.equal(beginBy(DABI, givenOf([DABI], { memory: ended }), at('15:00')), null)
})
