/**
 * Years of a fleet of jobs under kills, reboots and steps of the clock: one row for each planned instant, and
 * at most one run of it. MARK_JOB_SEEDS and MARK_JOB_DAYS say how much; MARK_SEED where to begin.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockworkOf } from '../../src/contract/jobs/clockwork.ts'
import type { JobPlan } from '../../src/core/jobs/job-plan.ts'
import { nextInstant } from '../../src/core/schedule.ts'
import { afterJobs, cron, jobPlan } from './job-plans.ts'
import { SimJobs } from './sim-jobs.ts'
import { random } from './sim-nature.ts'

const SEEDS = Number(process.env.MARK_JOB_SEEDS ?? 3)
const DAYS = Number(process.env.MARK_JOB_DAYS ?? 60)
const FIRST = Number(process.env.MARK_SEED ?? 1)
const DAY_MS = 86_400_000
const PEACE_MS = 20 * DAY_MS
const START_MS = Date.UTC(2026, 0, 1)

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Santiago']

/** Fifty: nightly ones in five zones, some of the hour, weekly and monthly ones, chains behind them. */
function fleet(): JobPlan[] {
  const jobs: JobPlan[] = []
  for (const [index, timezone] of ZONES.entries()) {
    const missed = [{ kind: 'latest' }, { kind: 'none' }, { kind: 'all', max: 3, windowMs: null }] as const
    const policy = missed[index % 3] as JobPlan['missed']
    const add = (name: string, over: Partial<JobPlan>) =>
      jobs.push(jobPlan(`${name}${index}`, { timezone, missed: policy, ...over }))
    add('night', { schedule: cron('30 2 * * *'), retry: { ...jobPlan('x').retry, limit: 2 } })
    add('gap', { schedule: cron('0 2 * * *'), dst: 'shift', deadlineMs: 7_200_000 })
    add('late', { schedule: cron('45 23 * * 1-5'), jitterMs: 600_000 })
    add('quarter', { schedule: cron('0 */6 * * *'), overlap: 'queue' })
    add('week', { schedule: cron('0 9 * * 1'), overlap: 'cancel_previous' })
    add('month', { schedule: cron('0 0 1,L * *'), pool: 'db' })
    add('eight', { schedule: { kind: 'every', everyMs: 8 * 3_600_000 }, pool: 'db', overlap: 'allow' })
    add('features', afterJobs(`night${index}`))
    add('train', afterJobs(`features${index}`))
    add('page', afterJobs({ job: `night${index}`, on: 'failure' }))
  }
  return jobs
}

function live(seed: number, days: number, keepsKeys: boolean): SimJobs {
  const chance = random(seed)
  const takes = (job: string) => {
    const ms = Math.floor((job.startsWith('quarter') ? 8 * 3_600_000 : 1_200_000) * chance() ** 3)
    return { ms, code: chance() < 0.1 ? 1 : 0 }
  }
  const jobs = fleet()
  const sim = new SimJobs({ jobs, startMs: START_MS, random: chance, killChance: 0.004, takes, keepsKeys })
  sim.settle()
  const endMs = START_MS + days * DAY_MS
  while (sim.wallMs < endMs) {
    const fate = chance()
    if (fate < 0.002) sim.killKeeper()
    else if (fate < 0.004) sim.killDaemon()
    else if (fate < 0.0045) sim.reboot(Math.floor(chance() ** 4 * 2 * DAY_MS))
    else if (fate < 0.005) sim.stepClock(Math.floor((chance() - 0.5) * 4 * 3_600_000))
    sim.settle()
    sim.advance(endMs - sim.wallMs)
    sim.settle()
  }
  // In peace: what was begun comes to its end.
  const peaceMs = sim.wallMs
  while (sim.wallMs < peaceMs + PEACE_MS) {
    sim.advance(PEACE_MS)
    sim.settle()
  }
  return sim
}

/** What is wrong with it, at most a few words each. */
function faults(sim: SimJobs, untilMs: number): string[] {
  const rows = new Map<string, number>()
  for (const { job, nominal_ms, trigger } of sim.ledger.values()) {
    if (trigger !== 'schedule' && trigger !== 'catch_up') continue
    const key = `${job} ${nominal_ms}`
    rows.set(key, (rows.get(key) ?? 0) + 1)
  }
  const found: string[] = []
  for (const [key, count] of rows) if (count > 1) found.push(`${count} rows of ${key}`)
  for (const job of fleet()) {
    const clockwork = clockworkOf(job)
    let next = nextInstant(job, clockwork, START_MS)
    for (; next !== null && next.atMs < untilMs; next = nextInstant(job, clockwork, next.atMs))
      if (!rows.has(`${job.name} ${next.atMs}`)) found.push(`no row of ${job.name} ${next.atMs}`)
  }
  const runs = new Map<string, Set<string>>()
  for (const { job, nominalMs, runId } of sim.spawned) {
    if (nominalMs === null) continue
    const key = `${job} ${nominalMs}`
    runs.set(key, (runs.get(key) ?? new Set()).add(runId))
  }
  for (const [key, ids] of runs) if (ids.size > 1) found.push(`${ids.size} runs of ${key}`)
  for (const row of sim.openRows())
    if (row.planned_ms < sim.wallMs - PEACE_MS) found.push(`${row.job} is ${row.outcome} for ever`)
  return found
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  test(`seed ${seed}: ${DAYS} days, one row an instant, at most one run`, context => {
    const sim = live(seed, DAYS, true)
    const found = faults(sim, START_MS + DAYS * DAY_MS)
    assert.deepEqual(found.slice(0, 5), [], `seed ${seed}: ${found.length} faults`)
    const outcomes: Record<string, number> = {}
    for (const row of sim.ledger.values()) outcomes[row.outcome] = (outcomes[row.outcome] ?? 0) + 1
    context.diagnostic(`${sim.kills} kills, ${sim.spawned.length} attempts, ${JSON.stringify(outcomes)}`)
  })

  test(`seed ${seed} without the keys: the same life is found out`, () => {
    const days = Math.min(DAYS, 200)
    assert.notDeepEqual(faults(live(seed, days, false), START_MS + days * DAY_MS), [])
  })
}
