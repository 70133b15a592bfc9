/**
 * F14: the state's file system turns read-only, as after an error of its disk, or every fsync fails. The
 * keeper goes on from memory and says so, a kill is obeyed though nothing can be written, and what an
 * fsync failed on is written again as a whole.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { removeSockets } from '../chaos/ending.ts'
import { whyNot } from '../contracts/file-systems.ts'
import { until } from '../system/fleet.ts'
import { Disk } from './disk.ts'
import { FaultFleet, isRoot, repetitions } from './fault-fleet.ts'

const CRASHES = repetitions(3, 50)
const FLEET = `defaults:
  ready: { delay: 50ms }
  restart: { delay: 50ms, multiplier: 1, budget: [10000/1d] }
  stop: { grace: 2s }
modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sh, -c, "while [ ! -e die ]; do sleep 0.02; done; rm die; exit 7"] }
`
const NAMES = ['luka', 'roko']
const NO_STRACE = ((): string | false => {
  if (!isRoot) return 'strace of another process needs root here'
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' })
    return false
  } catch {
    return 'strace is not installed here'
  }
})()

async function crash(fleet: FaultFleet): Promise<void> {
  const pid = fleet.pidOf('roko')
  fleet.write('die', '')
  await until('roko is back', 5000, () => {
    const now = fleet.pids().roko
    return now?.length === 1 && now[0] !== pid
  })
}

test('F14: on a disk that turned read-only the keeper goes on from memory, and kills', {
  skip: whyNot('ext4'),
}, async t => {
  const fleet = new FaultFleet(FLEET, NAMES)
  const disk = new Disk('ext4', 16, fleet.stateDir)
  try {
    await fleet.up()
    await fleet.armed()
    const luka = fleet.pidOf('luka')
    disk.fail()
    assert.throws(() => writeFileSync(join(fleet.stateDir, 'probe'), 'x'), /EROFS|EIO|ESHUTDOWN/)
    fleet.write('die', '')
    const roko = await fleet.settled('roko', /backoff|failed/)
    t.diagnostic(`roko: ${roko.state}: ${roko.reason}`)
    const status = await until('it says so', 10_000, async () => {
      const seen = await fleet.seen()
      return seen?.degraded.some(what => what.includes('state not durable')) && seen
    })
    t.diagnostic(status.degraded.join('; '))
    assert.equal(fleet.pidOf('luka'), luka)
    const keeper = await fleet.armed()
    process.kill(keeper.pid, 'SIGKILL')
    await until('its successor serves', 10_000, () => fleet.look().keeper?.pid !== keeper.pid)
    await fleet.armed()
    assert.equal(fleet.pidOf('luka'), luka)
    const killed = await fleet.mark('kill', '--reason', 'disk failed')
    t.diagnostic(`mark kill: exit ${killed.code}: ${killed.stdout}${killed.stderr}`)
    assert.deepEqual(fleet.pids(), {})
    await fleet.expect(5, 'start', 'luka')
    await fleet.expect(5, 'up', '-d')
    assert.deepEqual(fleet.pids(), {})
    assert.deepEqual(fleet.observer.doubled, [])
  } finally {
    removeSockets(fleet.stateDir)
    disk.unmount()
    fleet.end()
  }
})

test('F14: a run that could not be recorded is known again once the disk takes it', {
  skip: whyNot('tmpfs'),
}, async () => {
  const fleet = new FaultFleet(FLEET, NAMES)
  const disk = new Disk('tmpfs', 8, join(fleet.stateDir, 'runs'))
  try {
    await fleet.up()
    await fleet.armed()
    disk.readOnly(true)
    await crash(fleet)
    await until('it says so', 5000, async () =>
      (await fleet.seen())?.degraded.some(what => what.startsWith('state not durable: runs')),
    )
    const pids = fleet.pids()
    // A keeper that begins now knows the run from the memory of its child alone.
    const keeper = await fleet.armed()
    process.kill(keeper.pid, 'SIGKILL')
    await until('its successor serves', 10_000, () => fleet.look().keeper?.pid !== keeper.pid)
    await fleet.armed()
    assert.deepEqual(fleet.pids(), pids)
    disk.readOnly(false)
    await until('everything is durable', 5000, async () => {
      const seen = await fleet.seen()
      return seen !== null && !seen.degraded.some(what => what.includes('not durable'))
    })
    const record = readFileSync(join(fleet.stateDir, 'runs', `${(await fleet.view('roko'))?.run_id}.json`))
    assert.match(record.toString(), new RegExp(`"pid":${pids.roko?.[0]},`))
    fleet.assertSound()
    await fleet.expect(0, 'down')
  } finally {
    disk.readOnly(false)
    removeSockets(fleet.stateDir)
    disk.unmount()
    fleet.end()
  }
})

test('F14: while every fsync fails no event is lost, and afterwards all is durable', {
  skip: NO_STRACE,
}, async () => {
  const fleet = new FaultFleet(FLEET, NAMES)
  try {
    await fleet.up()
    const keeper = await fleet.armed()
    const inject = 'inject=fsync,fdatasync:error=EIO'
    const argv = ['-f', '-p', String(keeper.pid), '-e', 'trace=fsync,fdatasync', '-e', inject]
    const strace = spawn('strace', [...argv, '-o', '/dev/null'], { stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = once(strace, 'close')
    await once(strace.stderr, 'data')
    for (let n = 0; n < CRASHES; n++) await crash(fleet)
    await until('it says so', 5000, async () =>
      (await fleet.seen())?.degraded.includes('state not durable: events.journal'),
    )
    strace.kill('SIGINT')
    await ended
    await until('everything is durable', 10_000, async () => {
      const seen = await fleet.seen()
      return seen !== null && !seen.degraded.some(what => what.includes('not durable'))
    })
    await crash(fleet)
    const exits = await until('every exit is told', 5000, () => {
      const found = fleet.events('exited', 'roko')
      return found.length === CRASHES + 1 && found
    })
    assert.deepEqual([...new Set(exits.map(exit => exit.data.code))], [7])
    fleet.assertSound()
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})
