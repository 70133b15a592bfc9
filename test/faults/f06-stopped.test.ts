/**
 * F6: keeper, daemon or the whole fleet stands still for longer than its timeouts and goes on, as in a paused
 * virtual machine. No module is taken for hung, none is restarted, and what happened meanwhile is told right.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../system/fleet.ts'
import { FaultFleet, repetitions } from './fault-fleet.ts'

/** Longer than every timeout below. */
const STILL_MS = repetitions(5, 30) * 1000
const FLEET = `defaults:
  ready: { delay: 50ms }
  restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }
  stop: { grace: 2s }
modules:
  pings: { command: [python3, pings.py], ready: notify, heartbeat: { timeout: 2s } }
  probed:
    command: [sleep, "1000"]
    health: { exec: [test, -e, mark.yaml], interval: 500ms, timeout: 1s, failures: 1 }
  loud: { command: [sh, -c, "while :; do date; sleep 0.1; done"], silence: 3s }
  dies: { command: [sh, -c, "while [ ! -e die ]; do sleep 0.05; done; rm die; exit 7"] }
`
const NAMES = ['pings', 'probed', 'loud', 'dies']
const PINGS = `import os, socket, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ['NOTIFY_SOCKET'])
sock.setblocking(False)
sock.send(b'READY=1')
while True:
    try: sock.send(b'WATCHDOG=1')
    except BlockingIOError: pass
    time.sleep(0.1)
`

async function admit(): Promise<FaultFleet> {
  const fleet = new FaultFleet(FLEET, NAMES)
  fleet.write('pings.py', PINGS)
  await fleet.up()
  await fleet.armed()
  await healthy(fleet)
  return fleet
}

async function healthy(fleet: FaultFleet): Promise<void> {
  await until('all three are healthy', 10_000, async () =>
    (await fleet.seen())?.modules.every(module => module.name === 'dies' || module.health === 'healthy'),
  )
}

/** A helper of a module's, such as its `sleep`, may be gone since it was seen. */
function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Stops these, lets `meanwhile` happen, waits, and lets them go on. */
async function standStill(pids: readonly number[], meanwhile: () => void = () => {}): Promise<void> {
  for (const pid of pids) signal(pid, 'SIGSTOP')
  try {
    meanwhile()
    await sleep(STILL_MS)
  } finally {
    for (const pid of pids) signal(pid, 'SIGCONT')
  }
}

async function assertUnharmed(fleet: FaultFleet, before: ReturnType<FaultFleet['pids']>): Promise<void> {
  await healthy(fleet)
  // Long enough for what was due meanwhile to do its harm.
  const until = performance.now() + 2500
  while (performance.now() < until) {
    await sleep(100)
    const { dies: _now, ...now } = fleet.pids()
    const { dies: _then, ...then } = before
    assert.deepEqual(now, then)
  }
  assert.deepEqual(fleet.events('unhealthy'), [])
  fleet.assertSound()
}

test('F6: a keeper that stood still takes nobody for hung, and tells the exit it slept through', async () => {
  const fleet = await admit()
  try {
    const before = fleet.pids()
    const keeper = await fleet.armed()
    await standStill([keeper.pid], () => fleet.write('die', ''))
    await until('the exit is told', 5000, () => fleet.events('exited', 'dies').length === 1)
    const [exit] = fleet.events('exited', 'dies')
    assert.deepEqual([exit?.data.known, exit?.data.code], [true, 7])
    await assertUnharmed(fleet, before)
    assert.equal(fleet.look().keeper?.pid, keeper.pid, 'nobody replaced it')
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})

test('F6: a daemon that stood still finds nobody unhealthy', async () => {
  const fleet = await admit()
  try {
    const before = fleet.pids()
    const daemon = await until('the daemon lives', 5000, () => fleet.look().daemon)
    await standStill([daemon.pid])
    await assertUnharmed(fleet, before)
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})

test('F6: a fleet that stood still as a whole goes on as if nothing had been', async () => {
  const fleet = await admit()
  try {
    const before = fleet.pids()
    await standStill(fleet.observer.everything().map(seen => seen.pid))
    await assertUnharmed(fleet, before)
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})
