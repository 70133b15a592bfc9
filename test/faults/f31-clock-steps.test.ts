/**
 * F31: the wall clock of keeper and daemon steps by an hour, a year, and back to 1970, under libfaketime.
 * Delays of restarts, watchdogs, silence and uptime are what they were: nothing that waits reads that
 * clock.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../system/fleet.ts'
import { FaultFleet } from './fault-fleet.ts'

const LIBRARY = ['x86_64', 'aarch64']
  .map(cpu => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find(path => existsSync(path))
const DELAY_MS = 1000
const STEPS = ['+1h', '-1h', '+365d', '-365d', '-20000d']
const FLEET = `defaults:
  ready: { delay: 50ms }
  stop: { grace: 2s }
modules:
  roko:
    command: [sh, -c, "while [ ! -e die ]; do sleep 0.02; done; rm die; exit 7"]
    restart: { delay: 1s, multiplier: 1, jitter: 0, budget: [1000/1d] }
  pings: { command: [python3, pings.py], ready: notify, heartbeat: { timeout: 2s } }
  loud: { command: [sh, -c, "while :; do echo x; sleep 0.1; done"], silence: 3s }
`
const NAMES = ['roko', 'pings', 'loud']
const PINGS = `import os, socket, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ['NOTIFY_SOCKET'])
sock.send(b'READY=1')
while True:
    sock.send(b'WATCHDOG=1')
    time.sleep(0.2)
`

test('F31: steps of the wall clock change no delay, no verdict and no uptime', {
  skip: LIBRARY === undefined ? 'libfaketime is not installed here' : false,
}, async t => {
  const fleet = new FaultFleet(FLEET, NAMES)
  const clock = join(fleet.dir, 'clock')
  const step = (by: string): void => writeFileSync(clock, `${by}\n`)
  try {
    fleet.write('pings.py', PINGS)
    step('+0')
    const fake = { LD_PRELOAD: LIBRARY as string, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: '1' }
    fleet.startKeeper({ ...fake, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' })
    await until('the keeper serves', 15_000, () => fleet.look().keeperServes)
    await fleet.up()
    const before = fleet.pids()
    const atLeastMs: number[] = []
    const tookMs: number[] = []
    for (const by of STEPS) {
      const pid = fleet.pidOf('roko')
      const told = performance.now()
      fleet.write('die', '')
      await until('roko is gone', 5000, () => fleet.pids().roko === undefined)
      const began = performance.now()
      step(by)
      await until(`roko is back after ${by}`, 5000, () => fleet.pids().roko?.some(now => now !== pid))
      // It may have been gone for a while when we saw it: at least since it was told, at most until then.
      atLeastMs.push(Math.round(performance.now() - told))
      tookMs.push(Math.round(performance.now() - began))
      await sleep(300)
    }
    t.diagnostic(`restarts after ${tookMs.join(', ')} ms`)
    for (const ms of atLeastMs) assert.ok(ms > DELAY_MS - 300, `${ms} ms`)
    for (const ms of tookMs) assert.ok(ms < DELAY_MS + 1000, `${ms} ms`)
    // As long as the longest of the verdicts takes.
    await sleep(3500)
    assert.deepEqual(fleet.events('unhealthy'), [])
    const { roko: _then, ...then } = before
    const { roko: _now, ...now } = fleet.pids()
    assert.deepEqual(now, then)
    const stepped = fleet.events('exited', 'roko').map(event => Date.parse(String(event.at)))
    assert.ok(
      Math.min(...stepped) < Date.parse('1990-01-01') || Math.max(...stepped) > Date.now() + 3e10,
      'it stepped',
    )
    for (const event of fleet.events('exited', 'roko')) assert.ok((event.data.uptime_s as number) < 60)
    const view = await fleet.view('pings')
    assert.ok((view?.uptime_s as number) > 5 && (view?.uptime_s as number) < 60, `${view?.uptime_s}`)
    fleet.assertSound()
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})
