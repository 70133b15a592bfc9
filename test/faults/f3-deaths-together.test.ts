/**
 * F3, F4, F5: keeper, daemon and modules killed one by one and together, and modules that end while nobody
 * looks. What was seen is told exactly, what nobody saw is unknown, and nothing is started twice.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLive, statOf } from '../chaos/proc.ts'
import { until } from '../system/fleet.ts'
import { FaultFleet, repetitions } from './fault-fleet.ts'

const CONFIG = `defaults:
  restart: { delay: 50ms, multiplier: 1, budget: [100000/1d] }
  ready: { delay: 20ms }
  stop: { grace: 2s }
modules:
  luka: { command: [sh, -c, "echo $MARK_RUN_ID >> luka.txt; exec sleep 1000"] }
  roko: { command: [sh, -c, "echo $MARK_RUN_ID >> roko.txt; exec sleep 1000"] }
  ends: { command: [sh, -c, "while [ ! -e end ]; do sleep 0.02; done; rm end; exit 7"] }
`
const NAMES = ['luka', 'roko', 'ends']

async function withFleet(use: (fleet: FaultFleet) => Promise<void>): Promise<void> {
  const fleet = new FaultFleet(CONFIG, NAMES)
  try {
    await fleet.up()
    await fleet.armed()
    await use(fleet)
    fleet.assertSound()
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
  } finally {
    fleet.end()
  }
}

async function eachRunsOnce(fleet: FaultFleet): Promise<void> {
  await until('each module runs once', 15_000, () =>
    NAMES.every(name => (fleet.pids()[name] ?? []).length === 1),
  )
  await fleet.settled('luka', /ready/)
}

const THREE = repetitions(4, 200)
test(`F3: keeper and daemon killed together: no module notices, ${THREE} times`, async () => {
  await withFleet(async fleet => {
    const before = fleet.pids()
    for (let round = 0; round < THREE; round++) {
      const keeper = await fleet.armed()
      const daemon = await until('the daemon lives', 10_000, () => fleet.look().daemon)
      for (const { pid } of round % 2 === 0 ? [keeper, daemon] : [daemon, keeper])
        process.kill(pid, 'SIGKILL')
      await until('another keeper and another daemon', 15_000, () => {
        const look = fleet.look()
        const others =
          look.keeper?.pid !== keeper.pid && look.daemon !== null && look.daemon.pid !== daemon.pid
        return look.keeperServes && others
      })
      assert.deepEqual(fleet.pids(), before)
    }
    assert.equal(fleet.events('exited').filter(({ module }) => module !== '@daemon').length, 0)
  })
})

const FOUR = repetitions(4, 200)
test(`F4: keeper, daemon and a module killed together: it is restarted once, ${FOUR} times`, async () => {
  await withFleet(async fleet => {
    for (let round = 0; round < FOUR; round++) {
      await eachRunsOnce(fleet)
      const { pid } = await fleet.armed()
      const daemon = fleet.look().daemon?.pid
      const luka = fleet.pidOf('luka')
      const roko = fleet.pidOf('roko')
      const order = [
        [pid, daemon, luka][round % 3],
        [daemon, luka, pid][round % 3],
        [luka, pid, daemon][round % 3],
      ]
      for (const victim of order) if (victim !== undefined) process.kill(victim, 'SIGKILL')
      await until('luka runs again', 15_000, () => (fleet.pids().luka ?? []).some(one => one !== luka))
      await fleet.armed()
      const exits = fleet.events('exited', 'luka').filter(({ data }) => data.pid === luka)
      assert.equal(exits.length, 1)
      const { known, signal, code } = exits[0]?.data ?? {}
      assert.deepEqual([signal, code], known ? ['SIGKILL', null] : [null, null], 'never invented')
      assert.equal(fleet.pidOf('roko'), roko)
      assert.equal(fleet.read('luka.txt').trim().split('\n').length, round + 2)
    }
  })
})

const ALL = repetitions(2, 100)
test(`F4: all of MARK and all modules killed: a status brings each back once, ${ALL} times`, async () => {
  await withFleet(async fleet => {
    for (let round = 0; round < ALL; round++) {
      await eachRunsOnce(fleet)
      const before = fleet.pids()
      fleet.killMark()
      for (const pid of Object.values(before).flat()) process.kill(pid, 'SIGKILL')
      await fleet.mark('status')
      await eachRunsOnce(fleet)
      await fleet.armed()
      for (const [name, [pid]] of Object.entries(before)) {
        const exits = fleet.events('exited', name).filter(({ data }) => data.pid === pid)
        assert.equal(exits.length, 1, name)
        assert.ok(exits[0]?.data.known === false || exits[0]?.data.signal === 'SIGKILL')
      }
    }
  })
})

const FIVE = repetitions(4, 300)
test(`F5: a module that ends with 7 while the keeper is away, ${FIVE} times`, async t => {
  await withFleet(async fleet => {
    let known = 0
    for (let round = 0; round < FIVE; round++) {
      await eachRunsOnce(fleet)
      const keeper = await fleet.armed()
      await until('the daemon holds its pidfds', 10_000, () => fleet.look().daemonWitnesses)
      const ends = fleet.pidOf('ends')
      process.kill(keeper.pid, 'SIGSTOP')
      fleet.write('end', '')
      await until('it has ended', 5000, () => !isLive(statOf(ends)))
      process.kill(keeper.pid, 'SIGKILL')
      await until('it runs again', 15_000, () => (fleet.pids().ends ?? []).some(pid => pid !== ends))
      const exits = fleet.events('exited', 'ends').filter(({ data }) => data.pid === ends)
      assert.equal(exits.length, 1)
      const { data } = exits[0] as (typeof exits)[number]
      assert.deepEqual([data.code, data.signal], data.known ? [7, null] : [null, null])
      if (data.known) known++
    }
    t.diagnostic(`${known} of ${FIVE} known, none wrong`)
    assert.ok(known > 0)
  })
})
