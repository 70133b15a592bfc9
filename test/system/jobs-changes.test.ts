/**
 * What becomes of jobs when the fleet changes around them: taken down, another plan, the kill switch, a host
 * that restarts. Every row ends and says why, and nothing of a run is left.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { isOpen } from '../../src/core/jobs/job-row.ts'
import { isRoot } from '../faults/fault-fleet.ts'
import { BIN, cleanEnv, until } from './fleet.ts'
import { JobFleet, LIST } from './job-fleet.ts'

const LONG = `  long: { command: [sh, -c, '${LIST}; exec sleep 1000'], every: 1s }`
const tick = (when: string): string => `  tick: { command: [sh, -c, '${LIST}'], ${when}, overlap: queue }`
const configOf = (...jobs: readonly string[]): string =>
  jobs.length === 0 ? 'modules: { idle: { command: [sleep, "1000"] } }\n' : `jobs:\n${jobs.join('\n')}\n`

async function withFleet(config: string, body: (fleet: JobFleet) => Promise<void>): Promise<void> {
  const fleet = new JobFleet(config)
  try {
    await body(fleet)
    fleet.assertLists(['long', 'tick'])
    fleet.assertSound()
  } finally {
    fleet.end()
  }
}

const nominals = (fleet: JobFleet, job: string): number[] =>
  fleet.rows(job).flatMap(({ nominal_ms: ms }) => ms ?? [])

async function ticks(fleet: JobFleet, count: number, job = 'tick'): Promise<void> {
  const before = fleet.list(job).length
  await until(`${job} runs ${count} times`, 20_000, () => fleet.list(job).length >= before + count)
}

test('a fleet that is taken down cancels its runs and leaves nothing of them; later it goes on', async () => {
  await withFleet(configOf(LONG, tick('every: 1s')), async fleet => {
    await fleet.up()
    const row = await fleet.running('long')
    const pids = fleet.processesOf(row)
    assert.ok(pids.length > 0)
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.processesOf(row), [])
    const [exited] = fleet.events('exited', 'long')
    assert.equal(exited?.run_id, row.attempts[0]?.id)
    const ended = fleet.rows().find(({ run_id }) => run_id === row.run_id)
    assert.equal(ended?.outcome, 'cancelled')
    assert.equal(ended?.attempts[0]?.stop?.cause, 'fleet')
    await fleet.up()
    assert.notEqual((await fleet.running('long')).run_id, row.run_id)
    assert.equal(fleet.list('long').filter(({ runId }) => runId === row.run_id).length, 1)
    await ticks(fleet, 2)
    await fleet.expect(0, 'down')
    const all = nominals(fleet, 'tick').sort((a, b) => a - b)
    const gaps = all.filter((ms, at) => at > 0 && ms - (all[at - 1] as number) !== 1000)
    assert.deepEqual(gaps, [], 'instants of the time when it was down have their rows, too')
  })
})

test('another plan: a new schedule holds from now on, a new job begins, a removed one runs out', async () => {
  await withFleet(configOf(tick('every: 1s')), async fleet => {
    await fleet.up()
    await ticks(fleet, 2)
    fleet.write('mark.yaml', configOf(tick('every: 3s'), LONG))
    await fleet.up()
    const changedMs = Date.now()
    await ticks(fleet, 2)
    const later = nominals(fleet, 'tick').filter(ms => ms > changedMs)
    assert.deepEqual(
      later.filter(ms => ms % 3000 !== 0),
      [],
    )
    const all = nominals(fleet, 'tick')
    assert.equal(new Set(all).size, all.length)

    const row = await fleet.running('long')
    fleet.write('mark.yaml', configOf(tick('every: 1s')))
    await fleet.up()
    await ticks(fleet, 2)
    assert.equal(fleet.processesOf(row).length, 1, 'it goes on')
    for (const pid of fleet.processesOf(row)) process.kill(pid, 'SIGTERM')
    const ended = await fleet.ended(row.run_id)
    assert.equal(ended.outcome, 'failed')
    await until('no row of it is open', 20_000, () => !fleet.rows('long').some(isOpen))

    fleet.write('mark.yaml', configOf(tick('every: 1s'), LONG))
    await fleet.up()
    const last = await fleet.running('long')
    fleet.write('mark.yaml', configOf())
    await fleet.up()
    for (const pid of fleet.processesOf(last)) process.kill(pid, 'SIGTERM')
    await fleet.ended(last.run_id)
    await until('no row is open', 20_000, () => !fleet.rows().some(isOpen))
    await fleet.expect(0, 'down')
  })
})

test('the kill switch ends what runs, refuses what comes, and after its release it goes on', async () => {
  await withFleet(configOf(LONG, tick('every: 1s')), async fleet => {
    await fleet.up()
    const row = await fleet.running('long')
    await fleet.expect(0, 'kill', '--reason', 'test')
    assert.deepEqual(fleet.processesOf(row), [])
    assert.equal((await fleet.ended(row.run_id)).outcome, 'cancelled')
    const killed = fleet.list('tick').length
    const refused = await until('instants are refused', 20_000, () => {
      const rows = fleet.rows().filter(({ outcome }) => outcome === 'refused_kill')
      return rows.filter(({ job }) => job === 'tick').length >= 2 && rows
    })
    assert.ok(refused.every(({ attempts }) => attempts.length === 0))
    await fleet.row(
      'long is refused',
      20_000,
      ({ job, outcome }) => job === 'long' && outcome === 'refused_kill',
    )
    assert.equal(fleet.list('tick').length, killed)
    const kill = (await fleet.status()).kills[0]?.id as string
    await fleet.expect(0, 'kill', 'release', kill, '--reason', 'over')
    await ticks(fleet, 2)
    assert.notEqual((await fleet.running('long')).run_id, row.run_id)
    await fleet.expect(0, 'down')
    assert.equal(new Set(nominals(fleet, 'tick')).size, nominals(fleet, 'tick').length)
  })
})

/** `mark` in a mount namespace where the boot id is what the file `boot` says. */
function mark(fleet: JobFleet, ...words: string[]): void {
  const script = 'mount --bind boot /proc/sys/kernel/random/boot_id && exec "$@"'
  execFileSync('unshare', ['-m', 'sh', '-c', script, 'sh', BIN, ...words], {
    cwd: fleet.dir,
    env: cleanEnv(),
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

test('after a restart of the host what ran is lost, and what was missed is as each job says', {
  skip: isRoot ? false : 'a mount namespace needs root',
}, async () => {
  const never = tick('every: 1s, missed: none')
  const last = never.replace('tick:', 'last:').replace('none', 'latest')
  const some = never.replace('tick:', 'some:').replace('none', '{ all: { max: 2 } }')
  await withFleet(configOf(LONG, never, last, some), async fleet => {
    fleet.write('boot', `${randomUUID()}\n`)
    mark(fleet, 'up', '-d')
    const row = await fleet.running('long')
    await ticks(fleet, 2)
    await fleet.armed()
    fleet.killMark()
    const goneMs = Date.now()
    for (const seen of fleet.observer.everything()) process.kill(seen.pid, 'SIGKILL')
    await until('nothing is left', 5000, () => fleet.observer.everything().length === 0)
    await until('four instants have passed', 10_000, () => Date.now() > goneMs + 4000)
    fleet.write('boot', `${randomUUID()}\n`)
    mark(fleet, 'up', '-d')
    const ended = await fleet.ended(row.run_id)
    assert.equal(ended.outcome, 'lost')
    assert.equal(fleet.list('long').filter(({ runId }) => runId === row.run_id).length, 1, 'not run again')
    await ticks(fleet, 2)
    await until(
      'it is caught up',
      10_000,
      () => !fleet.rows('some').some(({ trigger, ...row }) => trigger === 'catch_up' && isOpen(row)),
    )
    mark(fleet, 'down')
    const of = (job: string): string[] =>
      fleet
        .rows(job)
        .filter(({ trigger }) => trigger === 'catch_up')
        .map(({ outcome }) => outcome)
    assert.ok(of('tick').length >= 3 && of('tick').every(outcome => outcome === 'missed'), of('tick').join())
    assert.equal(of('last').filter(outcome => outcome === 'succeeded').length, 1)
    assert.equal(of('last').at(-1), 'succeeded')
    assert.equal(of('some').filter(outcome => outcome === 'succeeded').length, 2)
    for (const job of ['tick', 'last', 'some']) {
      const order = fleet.list(job).map(({ nominal }) => nominal)
      assert.deepEqual(order, [...order].sort(), `${job}: run in the order of its instants`)
      const all = nominals(fleet, job).sort((a, b) => a - b)
      const gaps = all.filter((ms, at) => at > 0 && ms - (all[at - 1] as number) !== 1000)
      assert.deepEqual(gaps, [], `${job}: every instant has one row`)
    }
  })
})
