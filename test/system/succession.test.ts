/**
 * MARK's own deaths, end to end: the keeper's successor, racing commands, a daemon that hangs, nothing of
 * MARK left.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Seen } from '../chaos/observer.ts'
import { isLive, statOf } from '../chaos/proc.ts'
import { Fleet, until } from './fleet.ts'

const FLEET = `defaults:
  restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }
  ready: { delay: 50ms }
  stop: { grace: 2s }
modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sleep, "1000"], depends_on: [luka] }
  dabi: { command: [sleep, "1000"], depends_on: [roko] }
`
const NAMES = ['luka', 'roko', 'dabi']

/** The keeper, once it serves and a successor waits. */
async function armed(fleet: Fleet): Promise<Seen> {
  return await until('a keeper serves and its successor waits', 10_000, () => {
    const look = fleet.look()
    return look.keeperServes && look.waiting.length > 0 && look.keeper
  })
}

test('a killed keeper is succeeded within a second, five times over, and no module notices', async () => {
  const fleet = new Fleet(FLEET, NAMES)
  try {
    await fleet.up()
    const before = fleet.pids()
    assert.deepEqual(Object.keys(before), NAMES)
    const times: number[] = []
    for (let round = 0; round < 5; round++) {
      const keeper = await armed(fleet)
      const killedMs = performance.now()
      process.kill(keeper.pid, 'SIGKILL')
      await until('a successor serves', 10_000, () => {
        const look = fleet.look()
        return look.keeperServes && look.keeper?.pid !== keeper.pid
      })
      times.push(performance.now() - killedMs)
      assert.deepEqual(fleet.pids(), before)
    }
    times.sort((a, b) => a - b)
    assert.ok(
      (times[2] as number) < 1000,
      `half of the successions took longer than a second: ${times.map(Math.round)}`,
    )
    const { modules, state } = await fleet.status()
    assert.equal(state, 'up')
    assert.deepEqual(Object.fromEntries(modules.map(module => [module.name, [module.pid]])), before)
    process.kill(before.luka?.[0] as number, 'SIGKILL')
    await until('an adopted module that dies is restarted', 5000, () => {
      const luka = fleet.pids().luka?.[0]
      return luka !== undefined && luka !== before.luka?.[0]
    })
    const exit = fleet.events('exited', 'luka').at(-1)
    assert.deepEqual([exit?.data.known, exit?.data.signal], [true, 'SIGKILL'])
  } finally {
    fleet.end()
  }
})

test('fifty racing `mark up -d`, the first winner killed while it starts: one keeper', async () => {
  const fleet = new Fleet(FLEET, NAMES)
  try {
    const calls = Array.from({ length: 50 }, () => fleet.begin('up', '-d'))
    const winner = await until('somebody holds the lock', 30_000, () => fleet.look().keeper)
    process.kill(winner.pid, 'SIGKILL')
    const keepers = new Set<number>()
    let running = true
    const ends = Promise.all(calls.map(call => call.ended)).finally(() => {
      running = false
    })
    await until('all fifty returned', 55_000, () => {
      const look = fleet.look()
      if (look.keeperServes && look.keeper) keepers.add(look.keeper.pid)
      return !running
    })
    const codes = (await ends).map(ended => ended.code)
    const why = (await ends).find(ended => ended.code !== 0)?.stderr ?? ''
    assert.deepEqual(codes, Array(50).fill(0), why)
    assert.deepEqual(fleet.observer.doubled, [])
    assert.deepEqual(
      Object.values(fleet.pids()).map(pids => pids.length),
      [1, 1, 1],
    )
    assert.equal(keepers.size, 1, `keepers that served: ${[...keepers]}`)
    const marks = fleet.observer.everything().filter(seen => seen.role === 'keeper')
    assert.deepEqual(
      marks.map(seen => seen.pid),
      [...keepers],
    )
  } finally {
    fleet.end()
  }
})

test('status tells the truth with the daemon dead, and with all of MARK dead', async () => {
  const fleet = new Fleet(FLEET, NAMES)
  try {
    await fleet.up()
    const before = fleet.pids()
    const daemon = await until('the daemon lives', 5000, () => fleet.look().daemon)
    process.kill(daemon.pid, 'SIGKILL')
    const alone = await fleet.status()
    assert.equal(alone.keeper?.pid, fleet.look().keeper?.pid)
    assert.notEqual(alone.daemon?.pid, daemon.pid)
    assert.deepEqual(Object.fromEntries(alone.modules.map(module => [module.name, [module.pid]])), before)
    const { keeper, waiting } = await until('a successor waits', 5000, () => {
      const look = fleet.look()
      return look.waiting.length > 0 && look.daemon !== null && look
    })
    for (const seen of [...waiting, keeper as Seen]) process.kill(seen.pid, 'SIGKILL')
    const orphan = fleet.look().daemon
    if (orphan) process.kill(orphan.pid, 'SIGKILL')
    process.kill(before.dabi?.[0] as number, 'SIGKILL')
    await until('dabi is gone', 5000, () => !isLive(statOf(before.dabi?.[0] as number)))
    const none = await fleet.mark('status', '--json')
    const document = JSON.parse(none.stdout)
    assert.deepEqual(
      [none.code, document.state, document.keeper, document.daemon],
      [0, 'unsupervised', null, null],
    )
    const pids = document.modules.map((module: { pid: number | null }) => module.pid)
    assert.deepEqual(pids, [before.luka?.[0], before.roko?.[0], null])
    await until('that command brought MARK back, and MARK brought dabi back', 10_000, () => fleet.pids().dabi)
    assert.deepEqual([fleet.pids().luka, fleet.pids().roko], [before.luka, before.roko])
  } finally {
    fleet.end()
  }
})
