/**
 * Daemon, keeper and all of MARK are killed again and again around due instants. Every planned instant has
 * one row, at most one run, and every row ends. MARK_JOB_KILLS says how often, MARK_SEED which moments.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOpen, type JobRow } from '../../src/core/jobs/job-row.ts'
import { isSame } from '../chaos/observer.ts'
import { allPids, environOf, isLive, statOf } from '../chaos/proc.ts'
import { chanceFrom } from '../chaos/schedule.ts'
import { markIsBack } from '../faults/kill-scenarios.ts'
import { until } from './fleet.ts'
import { countOutcomes, JobFleet, LIST } from './job-fleet.ts'

const KILLS = Number(process.env.MARK_JOB_KILLS ?? 12)
const SEED = Number(process.env.MARK_SEED ?? Math.floor(Date.now() % 1e6))
const NEAR_MS = 50
/** Each due instant is a multiple of this, so that one is always near. */
const GRID_MS = 1000
/** Of the planned jobs, their distance. */
const EVERY_MS = { tick: 1000, cron: 2000, slow: 2000, again: 3000 } as const
const JOBS = [...Object.keys(EVERY_MS), 'next'] as (keyof typeof EVERY_MS | 'next')[]
const CONFIG = `timezone: Europe/Berlin
jobs:
  tick:  { command: [sh, -c, '${LIST}'], every: 1s }
  cron:
    command: [sh, -c, '${LIST}']
    schedule: "*/2 * * * * *"
    seconds: true
    overlap: queue
    missed: { all: { max: 3 } }
  slow:  { command: [sh, -c, '${LIST}; exec sleep 3'], every: 2s, overlap: skip, missed: none }
  again:
    command: [sh, -c, '${LIST}; exit $((MARK_ATTEMPT < 1))']
    every: 3s
    overlap: allow
    retry: { limit: 2, delay: 200ms, multiplier: 1 }
  next:  { command: [sh, -c, '${LIST}'], after: [tick], overlap: queue }
`
/** A kill of the keeper may take an attempt's end with it, of all of MARK its begin too. */
const ALLOWED: Readonly<Record<string, RegExp>> = {
  tick: /^(succeeded|lost|missed|skipped_overlap)$/,
  cron: /^(succeeded|lost|missed)$/,
  slow: /^(succeeded|lost|missed|skipped_overlap)$/,
  again: /^(succeeded|lost|missed)$/,
  next: /^(succeeded|lost|skipped_upstream)$/,
}

type Stroke = 'daemon' | 'keeper' | 'both' | 'all'

test(`${KILLS} kills around due instants: each instant has one row and at most one run`, async t => {
  t.diagnostic(`MARK_SEED=${SEED}`)
  const chance = chanceFrom(SEED)
  const fleet = new JobFleet(CONFIG)
  const killed: Record<Stroke, number> = { daemon: 0, keeper: 0, both: 0, all: 0 }
  let lost = 0
  try {
    await fleet.up()
    const first = await until('all is decided up to some instant', 10_000, async () => {
      const { jobs } = await fleet.kept()
      return Object.keys(EVERY_MS).every(job => jobs[job]?.decided_ms) && jobs
    })
    for (let round = 0; round < KILLS; round++) {
      const stroke = strokeOf(chance())
      await fleet.armed()
      await until('a daemon lives', 15_000, () => fleet.look().daemon)
      const before = fleet.rows().length
      // Half of them live until something was planned; the others die as soon as they are there.
      if (chance() < 0.5) await until('a job is planned', 30_000, () => fleet.rows().length > before)
      await moment(chance)
      await strike(fleet, stroke)
      killed[stroke]++
      if (stroke !== 'keeper' && chance() < 0.3) lost += loseArchive(fleet)
      await markIsBack(fleet)
    }
    await fleet.armed()
    const untilMs = Date.now() + 2 * GRID_MS
    await until('it goes on, and what was planned by then has ended', 60_000, async () => {
      const now = (await fleet.kept()).jobs
      const isBeyond = Object.keys(EVERY_MS).every(job => (now[job]?.decided_ms ?? 0) > untilMs)
      return isBeyond && fleet.rows().every(row => row.planned_ms > untilMs || !isOpen(row))
    })
    await fleet.expect(0, 'down')
    assert.deepEqual(leftOf(fleet), [], 'nothing of the fleet is left')

    for (const [job, everyMs] of Object.entries(EVERY_MS)) {
      assertInstants(fleet.rows(job), everyMs, first[job]?.decided_ms as number, untilMs)
    }
    assertRuns(fleet, untilMs)
    fleet.assertLists(JOBS)
    fleet.assertSound()
    t.diagnostic(`killed: ${JSON.stringify(killed)}, the archive lost ${lost} times`)
    for (const job of JOBS) t.diagnostic(`${job}: ${countOutcomes(fleet.rows(job))}`)
  } finally {
    fleet.end()
  }
})

function strokeOf(chance: number): Stroke {
  if (chance < 0.35) return 'daemon'
  if (chance < 0.65) return 'keeper'
  return chance < 0.85 ? 'both' : 'all'
}

/** As by a disk or a person, while no daemon holds it: what ran must not run again for that. */
function loseArchive(fleet: JobFleet): number {
  for (const end of ['', '-wal', '-shm']) rmSync(join(fleet.stateDir, `archive.db${end}`), { force: true })
  return 1
}

/** Mostly close to an instant, on either side of it. */
async function moment(chance: () => number): Promise<void> {
  const nowMs = Date.now()
  const dueMs = Math.ceil((nowMs + NEAR_MS) / GRID_MS) * GRID_MS
  const atMs = chance() < 0.8 ? dueMs + (chance() * 2 - 1) * NEAR_MS : nowMs + chance() * GRID_MS
  await sleep(Math.max(0, atMs - Date.now()))
}

/** Until they are gone: a dying keeper still looks like one that serves. */
async function strike(fleet: JobFleet, stroke: Stroke): Promise<void> {
  const { keeper, daemon } = fleet.look()
  if (stroke === 'all') fleet.killMark()
  const targets = { daemon: [daemon], keeper: [keeper], both: [keeper, daemon], all: [] }[stroke]
  const seen = targets.flatMap(target => target ?? [])
  for (const { pid, start } of seen) if (isSame(statOf(pid), { start })) process.kill(pid, 'SIGKILL')
  await until('they are gone', 10_000, () => seen.every(one => !isSame(statOf(one.pid), one)))
}

function assertInstants(rows: readonly JobRow[], everyMs: number, fromMs: number, untilMs: number): void {
  const counts = new Map<number, number>()
  for (const { nominal_ms: ms } of rows) if (ms !== null) counts.set(ms, (counts.get(ms) ?? 0) + 1)
  const [job] = rows.map(row => row.job)
  const wrong: string[] = []
  for (let ms = (Math.floor(fromMs / everyMs) + 1) * everyMs; ms <= untilMs; ms += everyMs) {
    if (counts.get(ms) !== 1) wrong.push(`${new Date(ms).toISOString()}: ${counts.get(ms) ?? 0} rows`)
  }
  assert.deepEqual(wrong, [], `${job}: instants without exactly one row`)
  for (const ms of counts.keys()) assert.ok(ms > fromMs && ms % everyMs === 0, `${job}: ${ms} is no instant`)
}

function assertRuns(fleet: JobFleet, untilMs: number): void {
  for (const job of JOBS) {
    const rows = fleet.rows(job).filter(row => row.planned_ms <= untilMs)
    const open = rows.filter(isOpen)
    assert.deepEqual(open, [], `${job}: rows without an end`)
    const odd = rows.filter(({ outcome }) => !ALLOWED[job]?.test(outcome))
    assert.deepEqual(odd, [], `${job}: rows with an end that nothing explains`)
    const byNominal = new Map<string, Set<string>>()
    for (const { nominal, runId } of fleet.list(job)) {
      if (nominal !== '') byNominal.set(nominal, (byNominal.get(nominal) ?? new Set()).add(runId))
    }
    const doubled = [...byNominal].filter(([, runs]) => runs.size > 1).map(([nominal]) => nominal)
    assert.deepEqual(doubled, [], `${job}: instants that ran twice`)
  }
  // It waits for the run before, also when it is caught up.
  const order = fleet.list('cron').map(({ nominal }) => nominal)
  assert.deepEqual(order, [...order].sort(), 'cron: in the order of its instants')
  const upstream = fleet.rows('next').map(row => row.upstream.tick)
  assert.equal(new Set(upstream).size, upstream.length, 'no run of tick is followed twice')
}

function leftOf(fleet: JobFleet): number[] {
  return allPids().filter(pid => {
    const isOurs = environOf(pid).get('MARK_STATE_DIR')?.startsWith(fleet.stateDir)
    return isOurs && isLive(statOf(pid))
  })
}
