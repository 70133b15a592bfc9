/**
 * F15: keeper and daemon without a descriptor to spare go on with what they have, say what they lack, and are
 * whole again when there are some.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../system/fleet.ts'
import { FaultFleet } from './fault-fleet.ts'

const prlimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed here'
const CONFIG = `defaults:
  restart: { delay: 50ms, multiplier: 1, budget: [9999/1d] }
  ready: { delay: 20ms }
modules:
  luka: { command: [sh, -c, "while [ ! -e end ]; do sleep 0.05; done; rm end; exit 9"] }
  calm: { command: [sleep, "1000"] }
  more: { command: [sleep, "1000"], restart: { policy: never } }
`

function openFds(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function limit(pid: number, nofile: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${nofile}:`])
}

/** Takes all that are left by connections, as a rude client would. */
async function starve(path: string, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(path).on('error', () => {}))
  await Promise.all(
    sockets.map(socket => new Promise(resolve => socket.once('connect', resolve).once('close', resolve))),
  )
  return sockets
}

test('F15: a keeper at its limit of descriptors loses no exit, refuses for now, and recovers', {
  skip: prlimit,
}, async () => {
  const fleet = new FaultFleet(CONFIG, ['luka', 'calm', 'more'])
  try {
    await fleet.expect(0, 'up', 'luka', 'calm', '-d')
    const keeper = (await fleet.armed()).pid
    const calm = fleet.pidOf('calm')
    const before = openFds(keeper)
    limit(keeper, before + 3)
    const sockets = await starve(join(fleet.stateDir, 'run', 'keeper.sock'), 40)
    const luka = fleet.pidOf('luka')
    fleet.write('end', '')
    await until('its exit is journaled', 10_000, () => fleet.events('exited', 'luka').length === 1)
    assert.deepEqual(
      fleet.events('exited', 'luka').map(({ data }) => [data.pid, data.known, data.code]),
      [[luka, true, 9]],
    )
    assert.equal(fleet.look().keeper?.pid, keeper, fleet.read('.mark/keeper.log'))
    for (const socket of sockets) socket.destroy()
    limit(keeper, 1024)
    await fleet.settled('luka', /ready/)
    await fleet.tell('start', 'more')
    await fleet.settled('more', /ready/)
    assert.equal(fleet.pidOf('calm'), calm)
    assert.equal((await fleet.view('luka'))?.restarts, 1, 'a shortage is never counted')
    await until('its descriptors are as before', 10_000, () => openFds(keeper) <= before + 6)
    fleet.assertSound()
  } finally {
    fleet.end()
  }
})

test('F15: keeper and daemon with 40 descriptors keep a fleet going', { skip: prlimit }, async () => {
  const fleet = new FaultFleet(CONFIG, ['luka', 'calm', 'more'])
  try {
    await fleet.expect(0, 'up', 'calm', '-d')
    const keeper = (await fleet.armed()).pid
    const daemon = (await until('the daemon lives', 10_000, () => fleet.look().daemon)).pid
    const calm = fleet.pidOf('calm')
    for (const pid of [keeper, daemon]) limit(pid, 40)
    await fleet.tell('start', 'luka', 'more')
    await until('they have started, or are told why not', 10_000, async () => {
      const views = [await fleet.view('luka'), await fleet.view('more')]
      return views.every(
        view => view?.state === 'ready' || /short|EMFILE|many open/i.test(view?.reason ?? ''),
      )
    })
    assert.equal((await fleet.mark('status')).code, 0)
    for (const { pid } of [fleet.look().keeper, fleet.look().daemon].flatMap(seen => seen ?? []))
      limit(pid, 1024)
    await fleet.settled('luka', /ready/)
    await fleet.settled('more', /ready/)
    assert.deepEqual([fleet.look().keeper?.pid, fleet.pidOf('calm')], [keeper, calm])
  } finally {
    fleet.end()
  }
})
