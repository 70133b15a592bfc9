/** What the scheduler tells of jobs, once each, over a keeper that only keeps its book. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cron, jobPlan, NOON_MS } from '../../../test/simulation/job-plans.ts'
import type { Ask } from '../../contract/keeper.ts'
import { JobBook, NO_MEMORY } from '../../core/jobs/job-book.ts'
import type { JobMemory } from '../../core/jobs/job-book.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import type { Plan } from '../../core/plan.ts'
import { fakeClock } from '../../host/clock.ts'
import { JobDesk } from './job-desk.ts'
import { JobScheduler } from './scheduler.ts'

const MINUTE_MS = 60_000

/** A scheduler at noon, the book of its keeper, and what it told. */
function setUp(jobs: readonly JobPlan[], memory: Readonly<Record<string, Partial<JobMemory>>>) {
  const clock = fakeClock({ wallMs: NOON_MS }, 0)
  const kept = new JobBook()
  const known = Object.entries(memory).map(([name, more]) => [name, { ...NO_MEMORY, ...more }] as const)
  kept.learn([], Object.fromEntries(known))
  const told: string[] = []
  let ids = 0
  const scheduler = new JobScheduler({
    clock,
    mintId: () => `A${++ids}`,
    killed: () => null,
    closed: () => null,
    outputsOf: async () => ({}),
    used: () => ({ cpu_s: null, memory_bytes: null }),
    say: line => told.push(line),
    alert: (job, runId, reason) => told.push(`${job} ${runId} ${reason}`),
    async ask(ask: Ask) {
      if (ask.ask === 'job_book')
        return { rows: [...kept.rows.values()], jobs: Object.fromEntries(kept.jobs) }
      if (ask.ask === 'job_start') return { refused: [] }
      if (ask.ask !== 'jobs') throw new Error(`unexpected ${ask.ask}`)
      for (const op of ask.ops) kept.apply(op, clock.now())
      return { rows: kept.takeTold(), jobs: Object.fromEntries(kept.jobs) }
    },
  })
  const plan = { jobs, pools: {} } as unknown as Plan
  scheduler.up(plan)
  /** It looks now. */
  const look = async (): Promise<void> => {
    await scheduler.keep(() => [])
    await scheduler.keep(() => [])
  }
  return { clock, kept, told, scheduler, look }
}

test('a deadline is told of once, at the looks after its moments', async () => {
  const finish = { minute: 12 * 60 + 25, timezone: 'UTC' }
  const job = jobPlan('dabi', { schedule: cron('0 6 * * *'), finishBy: finish })
  const took_ms = [1, 2, 3].map(() => 12 * MINUTE_MS)
  const { clock, told, scheduler, look } = setUp([job], { dabi: { decided_ms: NOON_MS, took_ms } })
  await look()
  assert.equal(scheduler.beginBy(job), '2026-01-01T12:13:00+00:00')
  for (let minute = 1; minute <= 30; minute++) {
    clock.advance(MINUTE_MS)
    await look()
  }
  scheduler.down()
  assert.deepEqual(told, [
    'dabi null cannot be done by 12:25 UTC: it takes 12m (p95), and it has not begun',
    'dabi null is not done by 12:25 UTC: it has not begun',
  ])
})

test('instants missed under `missed: ask` are one alert, with an order that runs just them', async () => {
  const job = jobPlan('luka', { schedule: cron('*/5 * * * *'), missed: { kind: 'ask' } })
  const more = jobPlan('many', { schedule: cron('* * * * *'), missed: { kind: 'ask' } })
  const memory = { luka: { decided_ms: NOON_MS - 16 * MINUTE_MS }, many: { decided_ms: NOON_MS - 1e8 } }
  const { clock, told, scheduler, look } = setUp([job, more], memory)
  await look()
  clock.advance(MINUTE_MS)
  await look()
  const sorted = told.sort()
  assert.equal(sorted.length, 2)
  assert.match(
    sorted[0] ?? '',
    /^luka null 3 instants passed .*`mark job backfill luka --from .*` runs them$/,
  )
  assert.match(sorted[1] ?? '', /^many null more than 1000 instants .* runs the newest 1000$/)
  for (const line of sorted) {
    const [, name = '', from = '', until = ''] = /backfill (\S+) --from (\S+) --until (\S+)`/.exec(line) ?? []
    const order = { fromMs: Date.parse(from), untilMs: Date.parse(until), by: 'ada' }
    const rows = await new JobDesk(scheduler, value => value).backfill(name, order)
    assert.equal(rows.length, name === 'luka' ? 3 : 1000)
  }
  scheduler.down()
})

test('a job that is decided ahead of the clock is told of once, and a resume lets it run again', async () => {
  const job = jobPlan('pulse', { schedule: cron('* * * * *') })
  const decided_ms = NOON_MS + 365 * 24 * 60 * MINUTE_MS
  const { clock, kept, told, scheduler, look } = setUp([job], { pulse: { decided_ms } })
  for (let minute = 0; minute < 3; minute++) {
    await look()
    clock.advance(MINUTE_MS)
  }
  assert.equal(told.length, 1)
  assert.match(told[0] ?? '', /^pulse null runs nothing before 2027-01-01T12:00:00.000Z: /)
  assert.equal(scheduler.nextMs(job), decided_ms + MINUTE_MS)
  const view = await new JobDesk(scheduler, value => value).resume('pulse', 'ada')
  assert.equal(view.next_at, new Date(NOON_MS + 4 * MINUTE_MS).toISOString())
  clock.advance(MINUTE_MS)
  await look()
  assert.deepEqual(
    [...kept.rows.values()].map(({ job: name, nominal_ms }) => [name, nominal_ms]),
    [['pulse', NOON_MS + 4 * MINUTE_MS]],
  )
  clock.stepWall(-24 * 60 * MINUTE_MS)
  await look()
  assert.equal(told.length, 2)
  scheduler.down()
})
