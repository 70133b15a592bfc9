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
