/**
 * What a keeper is doing when it is killed: start, stop, crash, latch. Each brings the fleet into the state
 * it begins from, does the one thing, asks for it again as a client does that got no answer, and says what
 * must be true then, whenever the kill came.
 */
import assert from 'node:assert/strict'
import { until } from '../system/fleet.ts'
import type { FaultFleet } from './fault-fleet.ts'

export const SCENARIO_FLEET = `defaults:
  # Without a delay an end and the next start are one turn of the keeper.
  restart: { delay: 0s, multiplier: 1, budget: [100000/1d] }
  ready: { delay: 20ms }
  stop: { grace: 2s }
modules:
  a: { command: [sh, -c, "echo $MARK_RUN_ID >> runs-a.txt; exec sleep 1000"] }
  b: { command: [sh, -c, "echo $MARK_RUN_ID >> runs-b.txt; exec sleep 1000"] }
`
export const SCENARIO_MODULES = ['a', 'b']

export interface Scenario {
  readonly before: (fleet: FaultFleet) => Promise<void>
  /** May be left without an answer. */
  readonly act: (fleet: FaultFleet) => Promise<void>
  /** With MARK back: asked again where it was not answered, it comes true. */
  readonly settle: (fleet: FaultFleet, answered: boolean) => Promise<void>
}

const ready = async (fleet: FaultFleet): Promise<void> => {
  await fleet.tell('start', 'a')
  await fleet.settled('a', /ready/)
}
const stopped = async (fleet: FaultFleet): Promise<void> => {
  await fleet.tell('stop', 'a')
  await fleet.settled('a', /stopped|held/)
}
const KILL = 'K-01HZZZZZZZZZZZZZZZZZZZZZZZ'
const kill = async (fleet: FaultFleet): Promise<void> => {
  const ask = {
    ask: 'kill',
    kill_id: KILL,
    scope: 'module:a',
    level: 'halt',
    reason: null,
    by: 'test',
  } as const
  await fleet.ask(ask, 3000)
}
let crashed = 0

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  start: {
    before: stopped,
    act: async fleet => {
      await fleet.tell('start', 'a')
      await fleet.settled('a', /ready/, 1500)
    },
    async settle(fleet, answered) {
      if (!answered) await fleet.tell('start', 'a')
      await fleet.settled('a', /ready/)
      fleet.pidOf('a')
    },
  },
  stop: {
    before: ready,
    act: async fleet => {
      await fleet.tell('stop', 'a')
      await fleet.settled('a', /stopped/, 1500)
    },
    async settle(fleet, answered) {
      if (!answered) await fleet.tell('stop', 'a')
      await fleet.settled('a', /stopped/)
      assert.deepEqual(fleet.pids().a ?? [], [])
    },
  },
  crash: {
    before: ready,
    async act(fleet) {
      crashed = fleet.pidOf('a')
      process.kill(crashed, 'SIGKILL')
      await until('it is restarted', 1500, async () => {
        const now = (await fleet.view('a'))?.pid ?? null
        return now !== null && now !== crashed
      })
    },
    async settle(fleet) {
      await until('it is back', 10_000, () => (fleet.pids().a ?? []).some(pid => pid !== crashed))
      await fleet.settled('a', /ready/)
      assert.notEqual(fleet.pidOf('a'), crashed)
      const exits = fleet.events('exited', 'a').filter(({ data }) => data.pid === crashed)
      assert.equal(exits.length, 1, 'its exit is told once')
      assert.ok(exits[0]?.data.known === false || exits[0]?.data.signal === 'SIGKILL', 'and is not invented')
    },
  },
  latch: {
    before: ready,
    act: async fleet => {
      await kill(fleet)
      await fleet.settled('a', /held/, 1500)
    },
    async settle(fleet, answered) {
      if (!answered) await kill(fleet)
      await fleet.settled('a', /held/)
      assert.deepEqual(fleet.pids().a ?? [], [])
      await fleet.ask({ ask: 'release', kill_id: KILL, reason: 'over', by: 'test' })
      await fleet.settled('a', /stopped/)
    },
  },
}

/** The keeper is there and armed. True: no successor was left, and a command brought it. */
export async function markIsBack(fleet: FaultFleet): Promise<boolean> {
  try {
    await fleet.armed(2000)
    return false
  } catch {
    await fleet.mark('status')
    await fleet.armed()
    return true
  }
}

/** Every run that began and is over has exactly one exit; nothing has two. */
export async function assertTrail(fleet: FaultFleet): Promise<void> {
  fleet.assertSound()
  const ended = new Set(fleet.events('exited').map(event => event.run_id))
  for (const name of SCENARIO_MODULES) {
    const trail = fleet.read(`runs-${name}.txt`).trim().split('\n')
    assert.equal(new Set(trail).size, trail.length, `${name}: a run began twice`)
    const live = (await fleet.view(name))?.run_id ?? null
    const lost = trail.filter(runId => runId !== live && !ended.has(runId))
    assert.deepEqual(lost, [], `${name}: runs whose exit nobody told`)
  }
}
