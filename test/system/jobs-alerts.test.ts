/**
 * What is told of jobs beyond their rows, with real processes: missed instants, whose order is then given as
 * it was written, and a job that was decided ahead of the clock.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from './fleet.ts'
import { JobFleet, LIST } from './job-fleet.ts'

const CONFIG = `jobs:
  pulse: { command: [sh, -c, '${LIST}'], every: 1s, missed: ask, overlap: queue }
`
const YEAR_MS = 365 * 86_400_000

const alerts = (fleet: JobFleet): string[] =>
  fleet.events('alert', 'pulse').map(({ data }) => `${data.reason}`)

test('instants that were missed under `missed: ask` run by the order that the alert gives', async () => {
  const fleet = new JobFleet(CONFIG)
  try {
    await fleet.up()
    await until('pulse runs', 20_000, () => fleet.list('pulse').length >= 2)
    await fleet.expect(0, 'down')
    const lastMs = Math.max(...fleet.rows('pulse').map(row => row.nominal_ms ?? 0))
    await until('instants pass', 10_000, () => Date.now() > lastMs + 4000)
    await fleet.up()
    const [alert = ''] = await until('it is told', 20_000, () => {
      const all = alerts(fleet)
      return all.length > 0 ? all : null
    })
    const words = /`mark (job backfill [^`]+)` runs them/.exec(alert)?.[1]?.split(' ') ?? []
    assert.equal(words.length, 7, alert)
    await fleet.expect(0, ...words)
    const missed = fleet.rows('pulse').filter(row => row.outcome === 'missed')
    assert.ok(missed.length >= 3)
    for (const row of missed) {
      const filled = (nominal: string | null): boolean =>
        fleet.list('pulse').filter(line => line.nominal === nominal).length === 1
      await until(`${row.nominal} is run after all`, 20_000, () => filled(row.nominal))
    }
    assert.equal(alerts(fleet).length, 1)
    fleet.assertLists(['pulse'])
  } finally {
    fleet.end()
  }
})

test('a job that was decided ahead of the clock is told of, and runs again from a resume on', async () => {
  const fleet = new JobFleet(CONFIG)
  try {
    await fleet.up()
    await until('pulse runs', 20_000, () => fleet.list('pulse').length >= 1)
    const until_ms = Date.now() + YEAR_MS
    await fleet.tellJobs({ op: 'decided', job: 'pulse', until_ms })
    // The next daemon reads the book anew.
    const { daemon } = await fleet.status()
    assert.ok(daemon?.pid)
    process.kill(daemon.pid, 'SIGKILL')
    const alert = await until('it is told', 40_000, () => alerts(fleet)[0])
    const from = new Date(until_ms).toISOString()
    assert.match(alert, new RegExp(`^runs nothing before ${from}: .*\`mark job resume pulse\``))
    const before = fleet.list('pulse').length
    await fleet.expect(0, 'job', 'resume', 'pulse')
    await until('pulse runs again', 20_000, () => fleet.list('pulse').length >= before + 2)
    assert.ok(((await fleet.kept()).jobs.pulse?.decided_ms ?? until_ms) < until_ms)
    assert.equal(alerts(fleet).length, 1)
  } finally {
    fleet.end()
  }
})
