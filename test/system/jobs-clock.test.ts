/**
 * The wall clock under jobs is set forward, far forward and back: what it jumped over is missed, never run in
 * a burst, and no instant runs twice.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from './fleet.ts'
import { countOutcomes, JobFleet, LIST } from './job-fleet.ts'

const LIBRARY = ['x86_64', 'aarch64']
  .map(cpu => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find(path => existsSync(path))
const HOUR_MS = 3_600_000
/** Of those further behind, one row tells. */
const MISSED_ROWS_MAX = 20_000
const CONFIG = `jobs:
  last: { command: [sh, -c, '${LIST}'], every: 1s, overlap: queue }
  none: { command: [sh, -c, '${LIST}'], every: 1s, overlap: queue, missed: none }
`

test('a clock that jumps makes no burst of runs, and no instant runs twice', {
  skip: LIBRARY === undefined ? 'libfaketime is not installed here' : false,
}, async t => {
  const fleet = new JobFleet(CONFIG)
  const clock = join(fleet.dir, 'clock')
  const step = (by: string): void => writeFileSync(clock, `${by}\n`)
  const lastMs = async (): Promise<number> => (await fleet.kept()).jobs.last?.decided_ms ?? 0
  const ran = (job: string): number[] => fleet.list(job).map(({ nominal }) => Date.parse(nominal))
  /** Both jobs ran so often since, at instants after `afterMs`. */
  const go = async (count: number, afterMs: number): Promise<void> => {
    for (const job of ['last', 'none']) {
      await until(`${job} runs on`, 60_000, () => ran(job).filter(ms => ms > afterMs).length >= count)
    }
  }
  try {
    step('+0')
    const fake = { LD_PRELOAD: LIBRARY as string, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: '1' }
    fleet.startKeeper({ ...fake, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' })
    await until('the keeper serves', 15_000, () => fleet.look().keeperServes)
    await fleet.up()
    await go(2, 0)
    for (const [by, hours] of [
      ['+1h', 1],
      ['+365d', 365 * 24],
    ] as const) {
      const before = { ms: await lastMs(), last: ran('last').length, none: ran('none').length }
      const began = performance.now()
      step(by)
      await go(2, Date.now() + (hours - 0.5) * HOUR_MS)
      t.diagnostic(`${by}: on time again after ${Math.round(performance.now() - began)} ms`)
      const missed = fleet
        .rows()
        .filter(row => row.outcome === 'missed' && (row.nominal_ms ?? 0) >= before.ms)
      t.diagnostic(`${by}: ${missed.length} rows of missed instants`)
      assert.ok(missed.length <= 2 * (MISSED_ROWS_MAX + 1000))
      for (const job of ['last', 'none'] as const) {
        assert.ok(ran(job).length < before[job] + 30, `${job} ran ${ran(job).length - before[job]} times`)
      }
    }
    // Lists and rows are compared at rest: a run that begins between two looks is in one of them only.
    await fleet.expect(0, 'down')
    for (const job of ['last', 'none']) {
      assert.equal(new Set(ran(job)).size, ran(job).length, `${job}: no instant ran twice`)
      const told = fleet.rows(job).map(row => row.nominal_ms)
      assert.equal(new Set(told).size, told.length, `${job}: no instant is told of twice`)
      t.diagnostic(`${job}: ${countOutcomes(fleet.rows(job))}`)
    }
    fleet.assertLists(['last', 'none'])
  } finally {
    fleet.end()
  }
})
