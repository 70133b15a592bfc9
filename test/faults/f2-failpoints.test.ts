/**
 * F2, by named failpoints: the keeper ends itself before or after each of its calls to the world, in the
 * middle of a start, a stop, a crash, a kill and a take-over. Nothing is started twice, nothing is lost.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLive, statOf } from '../chaos/proc.ts'
import { until } from '../system/fleet.ts'
import { FaultFleet } from './fault-fleet.ts'
import { assertTrail, markIsBack, SCENARIO_FLEET, SCENARIO_MODULES, SCENARIOS } from './kill-scenarios.ts'

const EVERY = ['run-intent', 'spawn', 'run-record', 'save@4', 'journal', 'settle@4']
const POINTS: Readonly<Record<string, readonly string[]>> = {
  start: EVERY,
  stop: ['signal', 'sweep', 'log-end', 'run-removed'],
  crash: ['exit', 'run-removed', 'run-intent', 'spawn', 'run-record'],
  latch: ['trip', 'signal', 'halt', 'complete'],
}
/** The keeper that takes over dies as it does so, and so does the next. */
const ADOPTING = [
  'before-adopt:kill',
  'after-adopt:kill@2',
  'before-adopt:kill;after-adopt:kill;after-save:kill',
]
const LONG = process.env.MARK_FAULTS === 'long'
let turn = 0

async function withFleet(use: (fleet: FaultFleet) => Promise<void>): Promise<void> {
  const fleet = new FaultFleet(SCENARIO_FLEET, SCENARIO_MODULES)
  try {
    await fleet.up()
    await fleet.armed()
    await use(fleet)
    await assertTrail(fleet)
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
  } finally {
    fleet.end()
  }
}

/** A keeper with this failpoint takes the fleet over; its pid. */
function under(fleet: FaultFleet, wish: string): number {
  fleet.killMark()
  return fleet.startKeeper({ MARK_DEBUG: '1', MARK_FAILPOINT: wish }).pid as number
}

for (const [name, points] of Object.entries(POINTS)) {
  test(`F2: a keeper that dies at a named point of a ${name} costs nothing`, async t => {
    await withFleet(async fleet => {
      const scenario = SCENARIOS[name]
      assert.ok(scenario)
      const wishes = points.flatMap(point => {
        const [place, nth] = point.split('@')
        const both = ['before', 'after'].map(when => `${when}-${place}:kill${nth ? `@${nth}` : ''}`)
        // One of both in every check; the long run takes all.
        return LONG ? both : [both[turn++ % 2] as string]
      })
      for (const wish of wishes) {
        await scenario.before(fleet)
        const bystander = fleet.pidOf('b')
        const keeper = under(fleet, wish)
        await fleet.armed()
        const answered = await scenario.act(fleet).then(
          () => true,
          () => false,
        )
        await markIsBack(fleet)
        assert.notEqual(fleet.look().keeper?.pid, keeper, `${wish} was never reached`)
        await scenario.settle(fleet, answered)
        assert.equal(fleet.pidOf('b'), bystander, `${wish}: its neighbour was touched`)
        fleet.assertSound()
      }
      t.diagnostic(`${wishes.length} points`)
    })
  })
}

test('F2: a keeper that dies while it takes over is succeeded, three times in a row', async () => {
  await withFleet(async fleet => {
    for (const wish of ADOPTING) {
      const before = fleet.pids()
      const keeper = under(fleet, wish)
      await until('it ended', 10_000, () => !isLive(statOf(keeper)))
      await markIsBack(fleet)
      assert.deepEqual(fleet.pids(), before, wish)
    }
  })
})
