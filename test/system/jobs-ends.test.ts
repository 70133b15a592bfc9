/**
 * How runs end, with real processes: in a chain, because a later one takes their place, because somebody or a
 * timeout ends them. Nothing of such a run is left, whatever it started and however deaf it is. What a run
 * prints for later jobs is read as text, never evaluated.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobRow } from '../../src/core/jobs/job-row.ts'
import { isLive, statOf } from '../chaos/proc.ts'
import { until } from './fleet.ts'
import { JobFleet, LIST } from './job-fleet.ts'

const CHAIN = `jobs:
  a: { command: [sh, -c, '${LIST}'] }
  b: { command: [sh, -c, '${LIST}; test -e repaired'], after: [a] }
  c: { command: [sh, -c, '${LIST}'], after: [b] }
  d: { command: [sh, -c, '${LIST}'], after: { b: { on: failure } } }
  e: { command: [sh, -c, '${LIST}'], after: [c] }
`
/** Deaf itself, with a deaf child in a session of its own and one that forgot where it comes from. */
const DEAF = `kin='trap "" TERM INT HUP; echo $$ >> "$0"; while :; do sleep 1; done'
trap '' TERM INT HUP
setsid sh -c "$kin" "kin-$MARK_RUN_ID.txt" &
env -i PATH="$PATH" setsid sh -c "$kin" "kin-$MARK_RUN_ID.txt" &
${LIST}
while :; do sleep 1; done
`
const DEAF_JOBS = `jobs:
  by_hand:   { command: [sh, deaf.sh], stop: { grace: 500ms } }
  at_once:   { command: [sh, deaf.sh], stop: { grace: 60s } }
  attempt:   { command: [sh, deaf.sh], timeout: { attempt: 1s }, stop: { grace: 500ms } }
  run:
    command: [sh, deaf.sh]
    timeout: { attempt: 1s, run: 4s }
    retry: { limit: 9, delay: 100ms, multiplier: 1 }
    stop: { grace: 200ms }
`
const OVERLAPS = `jobs:
  killed:    { command: [sh, deaf.sh], every: 3s, overlap: kill_previous, stop: { grace: 60s } }
  cancelled: { command: [sh, deaf.sh], every: 3s, overlap: cancel_previous, stop: { grace: 500ms } }
`
const VALUE = '$(touch evaluated) `touch evaluated` ; touch evaluated \'"$HOME'
const SPEAKER = `print('MARK_OUTPUT =x')
print('MARK_OUTPUT good')
print('MARK_OUTPUTgood=1')
print('MARK_OUTPUT undeclared=1')
print('MARK_OUTPUT big=' + 'x' * 1_000_000)
print('MARK_OUTPUT coloured=\\x1b[31mred')
print('MARK_OUTPUT good=first')
print('MARK_OUTPUT good=' + open('value').read())
print(' MARK_OUTPUT good=indented, so no output')
`
const HEARER = `import os, sys
open('heard', 'w').write(sys.argv[1] + os.environ['SAME'])
`
const OUTPUT_JOBS = `jobs:
  speaks: { command: [python3, speaks.py], outputs: [good, big, coloured] }
  hears:
    command: [python3, hears.py, "\${jobs.speaks.outputs.good}"]
    environment: { SAME: "\${jobs.speaks.outputs.good}" }
    after: [speaks]
  waits: { command: ["true", "\${jobs.speaks.outputs.big}"], after: [speaks] }
`

async function withFleet(config: string, body: (fleet: JobFleet) => Promise<void>): Promise<void> {
  const fleet = new JobFleet(config)
  try {
    fleet.write('deaf.sh', DEAF)
    await fleet.up()
    await body(fleet)
    await fleet.expect(0, 'down')
    fleet.assertSound()
  } finally {
    fleet.end()
  }
}

/** What its attempts started, by the pids that these wrote down themselves. */
function kinOf(fleet: JobFleet, row: JobRow): number[] {
  const texts = row.attempts.map(({ id }) => fleet.read(`kin-${id}.txt`))
  return texts.flatMap(text => text.split('\n').filter(Boolean).map(Number))
}

function assertNothingLeft(fleet: JobFleet, row: JobRow): void {
  assert.ok(kinOf(fleet, row).length > 0, `${row.job} had children`)
  assert.deepEqual(fleet.processesOf(row), [], `processes of ${row.job}`)
  const alive = kinOf(fleet, row).filter(pid => isLive(statOf(pid)))
  assert.deepEqual(alive, [], `children of ${row.job}`)
}

/** It runs, and both its children do. */
async function runsDeaf(fleet: JobFleet, job: string): Promise<JobRow> {
  const runId = await fleet.byHand(job)
  return await fleet.row(`${job} and its children run`, 20_000, row => {
    return row.run_id === runId && kinOf(fleet, row).length === 2 && fleet.list(job).length > 0
  })
}

const outcomes = (fleet: JobFleet): Record<string, string[]> => {
  const all: Record<string, string[]> = {}
  for (const row of fleet.rows()) all[row.job] = [...(all[row.job] ?? []), row.outcome]
  return all
}

test('a chain whose middle fails runs its failure branch, skips the rest, and resumes', async () => {
  await withFleet(CHAIN, async fleet => {
    const first = await fleet.byHand('a')
    await fleet.row('d ends', 20_000, row => row.job === 'd' && row.outcome === 'succeeded')
    await fleet.row('e is skipped', 20_000, row => row.job === 'e')
    assert.deepEqual(outcomes(fleet), {
      a: ['succeeded'],
      b: ['failed'],
      c: ['skipped_upstream'],
      d: ['succeeded'],
      e: ['skipped_upstream'],
    })
    const [b] = fleet.rows('b')
    assert.equal(b?.upstream.a, first)
    assert.equal(fleet.rows('c')[0]?.reason, 'b: failed')
    assert.equal(fleet.rows('d')[0]?.upstream.b, b?.run_id)
    fleet.write('repaired', '')
    await fleet.byHand('b', { trigger: 'retry_from' })
    await fleet.row('e ends', 20_000, row => row.job === 'e' && row.outcome === 'succeeded')
    assert.deepEqual(outcomes(fleet), {
      a: ['succeeded'],
      b: ['failed', 'succeeded'],
      c: ['skipped_upstream', 'succeeded'],
      d: ['succeeded'],
      e: ['skipped_upstream', 'succeeded'],
    })
    fleet.assertLists(['a', 'b', 'c', 'd', 'e'])
  })
})

test('a timeout ends a deaf run and all that it started', async () => {
  await withFleet(DEAF_JOBS, async fleet => {
    const attempt = await fleet.ended((await runsDeaf(fleet, 'attempt')).run_id)
    assert.equal(attempt.outcome, 'timed_out')
    assert.match(attempt.reason, /attempt took longer than 1 s/)
    assertNothingLeft(fleet, attempt)
    const run = await fleet.ended((await runsDeaf(fleet, 'run')).run_id)
    assert.equal(run.outcome, 'timed_out')
    assert.ok(run.attempts.length > 1, 'it was tried again')
    assert.equal(run.attempts.length, fleet.list('run').length, 'each attempt ran')
    assertNothingLeft(fleet, run)
    fleet.assertLists(['attempt', 'run'])
  })
})

test('a later run takes the place of the one before, of which no process is left', async () => {
  await withFleet(OVERLAPS, async fleet => {
    for (const job of ['killed', 'cancelled']) {
      const ended = await until(`two runs of ${job} have made room`, 40_000, () => {
        const over = fleet.rows(job).filter(row => row.ended_ms !== null && row.attempts.length > 0)
        return over.length >= 2 && over
      })
      for (const row of ended) {
        assert.equal(row.outcome, 'cancelled')
        assert.match(row.reason, /a later run \(\w+\) takes its place \(overlap\)/)
        assert.equal(row.attempts[0]?.exit?.signal, 'SIGKILL')
        assertNothingLeft(fleet, row)
        const next = fleet.rows(job).find(({ run_id }) => row.reason.includes(run_id))
        const beganMs = next?.attempts[0]?.started_ms ?? Number.POSITIVE_INFINITY
        assert.ok(beganMs >= (row.attempts[0]?.ended_ms ?? Number.POSITIVE_INFINITY), 'one after the other')
      }
    }
    fleet.assertLists(['killed', 'cancelled'])
  })
})

test('a run that is cancelled leaves no process, with grace or without', async () => {
  await withFleet(DEAF_JOBS, async fleet => {
    for (const job of ['by_hand', 'at_once']) {
      const row = await runsDeaf(fleet, job)
      const stop = { cause: 'cancel', by: 'test', why: 'enough' } as const
      await fleet.tellJobs({ op: 'stop', run_id: row.run_id, attempts: 1, stop, kill: job === 'at_once' })
      const ended = await fleet.ended(row.run_id)
      assert.equal(ended.outcome, 'cancelled')
      assert.match(ended.reason, /enough \(test\)/)
      assertNothingLeft(fleet, ended)
    }
    fleet.assertLists(['by_hand', 'at_once'])
  })
})

test('outputs said wrongly are reported, never evaluated; a later job gets the good ones', async () => {
  await withFleet(OUTPUT_JOBS, async fleet => {
    fleet.write('speaks.py', SPEAKER)
    fleet.write('hears.py', HEARER)
    fleet.write('value', VALUE)
    const speaks = await fleet.ended(await fleet.byHand('speaks'))
    assert.equal(speaks.outcome, 'succeeded')
    assert.deepEqual(speaks.outputs, { good: VALUE })
    const hears = await fleet.row('hears ends', 20_000, row => row.job === 'hears' && row.ended_ms !== null)
    assert.equal(hears.outcome, 'succeeded')
    assert.equal(fleet.read('heard'), VALUE + VALUE)
    const waits = await fleet.row('waits ends', 20_000, row => row.job === 'waits' && row.ended_ms !== null)
    assert.equal(waits.outcome, 'failed')
    assert.match(waits.reason, /speaks has printed no big yet/)
    assert.equal(fleet.has('evaluated'), false)
    const alerts = fleet.events('alert', 'speaks').map(({ data }) => String(data.reason))
    for (const said of [
      /"MARK_OUTPUT =x"/,
      /"MARK_OUTPUT good"/,
      /"MARK_OUTPUTgood=1"/,
      /undeclared/,
      /big/,
      /control/,
    ]) {
      assert.equal(alerts.filter(alert => said.test(alert)).length, 1, `${said}: ${alerts.join('\n')}`)
    }
    assert.equal(alerts.length, 6)
    assert.ok(alerts.every(alert => alert.length < 300))
  })
})
