/**
 * F13: the disk of the state, or that of the logs, is full to the last byte, to a few short of it, or has no
 * inodes left. Modules run on, crash and come back, a kill is a kill; a keeper that is killed meanwhile is
 * succeeded without a loss; and once there is room all is durable again, without a restart of anything.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeSockets } from '../chaos/ending.ts'
import { type Kind, whyNot } from '../contracts/file-systems.ts'
import { until } from '../system/fleet.ts'
import { Disk } from './disk.ts'
import { FaultFleet, repetitions } from './fault-fleet.ts'

const CRASHES = repetitions(5, 100)
const FLEET = `defaults:
  ready: { delay: 50ms }
  restart: { delay: 50ms, multiplier: 1, budget: [10000/1d] }
  stop: { grace: 2s }
modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sh, -c, "while [ ! -e die ]; do sleep 0.02; done; rm die; exit 7"] }
`
const NAMES = ['luka', 'roko']

async function admit(where: string, kind: Kind, sizeMb: number): Promise<[FaultFleet, Disk]> {
  const fleet = new FaultFleet(FLEET, NAMES)
  const disk = new Disk(kind, sizeMb, join(fleet.stateDir, where))
  try {
    await fleet.up()
    await fleet.armed()
  } catch (error) {
    discharge(fleet, disk)
    throw error
  }
  return [fleet, disk]
}

function discharge(fleet: FaultFleet, disk: Disk): void {
  removeSockets(fleet.stateDir)
  disk.unmount()
  fleet.end()
}

/** roko ends with 7 and comes back. */
async function crash(fleet: FaultFleet): Promise<void> {
  const pid = fleet.pidOf('roko')
  fleet.write('die', '')
  await until('roko is back', 5000, () => {
    const now = fleet.pids().roko
    return now?.length === 1 && now[0] !== pid
  })
}

async function succeed(fleet: FaultFleet): Promise<void> {
  const keeper = await fleet.armed()
  process.kill(keeper.pid, 'SIGKILL')
  await until('its successor serves', 10_000, () => {
    const look = fleet.look()
    return look.keeperServes && look.keeper?.pid !== keeper.pid
  })
}

async function durable(fleet: FaultFleet): Promise<void> {
  await until('everything is durable', 10_000, async () => {
    const status = await fleet.seen()
    return status !== null && !status.degraded.some(what => what.includes('state not durable'))
  })
}

/** What must hold whatever the disk lacks, and what is true once it lacks nothing again. */
async function endure(t: TestContext, fleet: FaultFleet, disk: Disk, spoil: () => void): Promise<void> {
  const luka = fleet.pidOf('luka')
  const plan = readFileSync(join(fleet.stateDir, 'plan.json'))
  spoil()
  for (let n = 0; n < CRASHES; n++) await crash(fleet)
  const said = (await fleet.seen())?.degraded ?? []
  t.diagnostic(`${disk.freeBytes} bytes free; degraded: ${said.join('; ') || 'nothing'}`)
  assert.deepEqual(readFileSync(join(fleet.stateDir, 'plan.json')), plan, 'what was good stays as it was')
  await succeed(fleet)
  assert.equal(fleet.pidOf('luka'), luka)
  await crash(fleet)
  assert.equal(fleet.pidOf('luka'), luka)
  disk.free()
  await durable(fleet)
  await crash(fleet)
  const exits = fleet.events('exited', 'roko')
  assert.deepEqual(
    exits.map(exit => exit.data.code),
    exits.map(() => 7),
  )
  assert.equal(exits.length, CRASHES + 2, 'every exit once')
  assert.equal(fleet.pidOf('luka'), luka, 'luka never noticed')
  fleet.assertSound()
  await fleet.expect(0, 'down')
  assert.deepEqual(fleet.observer.everything(), [])
}

const STATES: readonly [name: string, kind: Kind, sizeMb: number, spoil: (disk: Disk) => void][] = [
  ['0 bytes are left of ext4', 'ext4', 16, disk => disk.fill()],
  ['4096 bytes are left of ext4', 'ext4', 16, disk => disk.fill(4096)],
  ['0 bytes are left of tmpfs', 'tmpfs', 12, disk => disk.fill()],
  ['no inode is left of ext4', 'ext4', 8, disk => disk.takeInodes()],
]

for (const [name, kind, sizeMb, spoil] of STATES) {
  test(`F13: with the state's disk full (${name}) nothing is lost or done twice`, {
    skip: whyNot(kind),
  }, async t => {
    const [fleet, disk] = await admit('', kind, sizeMb)
    try {
      await endure(t, fleet, disk, () => spoil(disk))
    } finally {
      discharge(fleet, disk)
    }
  })
}

test("F13: with the logs' disk full modules crash and come back all the same", {
  skip: whyNot('ext4'),
}, async t => {
  const [fleet, disk] = await admit('logs', 'ext4', 16)
  try {
    await endure(t, fleet, disk, () => disk.fill())
  } finally {
    discharge(fleet, disk)
  }
})

test('F13: at 0 bytes and without inodes a kill is durable and survives its keeper', {
  skip: whyNot('ext4'),
}, async () => {
  const [fleet, disk] = await admit('', 'ext4', 16)
  try {
    disk.takeInodes()
    disk.fill()
    await fleet.expect(0, 'kill', '--reason', 'full')
    assert.deepEqual(Object.keys(fleet.pids()), [])
    fleet.killMark()
    assert.match((await fleet.expect(5, 'up', '-d')).stderr, /MARK_LATCHED/)
    assert.deepEqual(Object.keys(fleet.pids()), [])
    disk.free()
    const [kill] = (await fleet.status()).kills
    assert.equal(kill?.reason, 'full')
    await fleet.expect(0, 'kill', 'release', kill?.id as string, '--reason', 'over')
    await fleet.up()
    await fleet.expect(0, 'down')
  } finally {
    discharge(fleet, disk)
  }
})
