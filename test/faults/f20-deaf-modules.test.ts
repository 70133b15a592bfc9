/**
 * F20, F22, F25, F30: modules that do not listen, do not move, do not reap, and close or hand on their
 * output.
 */
import assert from 'node:assert/strict'
import { existsSync, realpathSync } from 'node:fs'
import { test } from 'node:test'
import { allPids, isLive, statOf } from '../chaos/proc.ts'
import { until } from '../system/fleet.ts'
import { FaultFleet, livingIn, repetitions } from './fault-fleet.ts'

const perl = existsSync('/usr/bin/perl') ? false : 'perl is not installed here'
const DEFAULTS =
  'defaults: { restart: { delay: 50ms, multiplier: 1, budget: [9999/1d] }, ready: { delay: 20ms } }'
const DEAF = `[/usr/bin/perl, -e, '$SIG{$_} = "IGNORE" for qw(TERM INT HUP QUIT); sleep 1 while 1']`
/** On a busy host a timer may be late; it must never be early. */
const LATE_MS = 700

const DEADLINES = repetitions(3, 100)
test(`F20: who ignores SIGTERM is killed at the end of its grace, ${DEADLINES} times`, {
  skip: perl,
}, async t => {
  const fleet = new FaultFleet(
    `${DEFAULTS}\nmodules:\n  deaf: { command: ${DEAF}, stop: { grace: 500ms } }\n`,
    ['deaf'],
  )
  const took: number[] = []
  try {
    await fleet.up()
    for (let round = 0; round < DEADLINES; round++) {
      const pid = fleet.pidOf('deaf')
      const began = performance.now()
      await fleet.tell('stop', 'deaf')
      await until('it is gone', 10_000, () => !isLive(statOf(pid)))
      took.push(performance.now() - began)
      await fleet.settled('deaf', /stopped/)
      const exit = fleet.events('exited', 'deaf').at(-1)
      assert.deepEqual([exit?.data.signal, exit?.data.asked], ['SIGKILL', true])
      await fleet.tell('start', 'deaf')
      await fleet.settled('deaf', /ready/)
    }
    t.diagnostic(`after ${Math.round(Math.min(...took))} to ${Math.round(Math.max(...took))} ms`)
    assert.ok(Math.min(...took) >= 495, 'never before its grace is over')
    assert.ok(Math.max(...took) < 500 + LATE_MS, 'and not long after')
  } finally {
    fleet.end()
  }
})

test('F20: a second stop changes nothing, a hurry ends the grace, a start during the stop starts after it', {
  skip: perl,
}, async () => {
  const fleet = new FaultFleet(
    `${DEFAULTS}\nmodules:\n  deaf: { command: ${DEAF}, stop: { grace: 30s } }\n`,
    ['deaf'],
  )
  try {
    await fleet.up()
    const pid = fleet.pidOf('deaf')
    await fleet.tell('stop', 'deaf')
    await fleet.settled('deaf', /stopping/)
    await fleet.tell('stop', 'deaf')
    assert.ok(isLive(statOf(pid)))
    await fleet.tell('start', 'deaf')
    await fleet.ask({ ask: 'hurry', by: 'test', modules: ['deaf'] })
    await until('it is gone', 5000, () => !isLive(statOf(pid)))
    await fleet.settled('deaf', /ready/)
    assert.notEqual(fleet.pidOf('deaf'), pid)
    await fleet.tell('stop', 'deaf')
    await fleet.settled('deaf', /stopping/)
    const kill = {
      ask: 'kill',
      kill_id: 'K-01HZZZZZZZZZZZZZZZZZZZZZZZ',
      scope: 'all',
      level: 'halt',
      reason: null,
      by: 't',
    }
    await fleet.ask(kill as never)
    await fleet.ask({ ask: 'hurry', by: 'test' })
    assert.match((await fleet.settled('deaf', /held/)).reason, /killed/)
  } finally {
    fleet.end()
  }
})

test('F22: a module that is halted misses its watchdog and is replaced, without two at once', {
  skip: perl,
}, async () => {
  const fleet = new FaultFleet(
    `${DEFAULTS}
modules:
  ticks:
    command: [/usr/bin/perl, ticks.pl]
    ready: notify
    heartbeat: { timeout: 1s }
    stop: { grace: 300ms }
  calm: { command: [sleep, "1000"] }
`,
    ['ticks', 'calm'],
  )
  fleet.write(
    'ticks.pl',
    `use Socket; socket(my $s, PF_UNIX, SOCK_DGRAM, 0); connect($s, sockaddr_un($ENV{NOTIFY_SOCKET}));
send($s, "READY=1\\nWATCHDOG=1", 0);
while (1) { select undef, undef, undef, 0.1; send($s, "WATCHDOG=1", 0) }`,
  )
  try {
    await fleet.up()
    const calm = fleet.pidOf('calm')
    for (let round = 0; round < repetitions(2, 30); round++) {
      const pid = fleet.pidOf('ticks')
      process.kill(pid, 'SIGSTOP')
      await until('another one ticks', 15_000, () => (fleet.pids().ticks ?? []).some(one => one !== pid))
      await fleet.settled('ticks', /ready/)
      assert.ok(!isLive(statOf(pid)), 'the halted one is gone')
    }
    assert.match(String(fleet.events('unhealthy', 'ticks')[0]?.data.reason), /watchdog/)
    assert.equal(fleet.pidOf('calm'), calm)
    fleet.assertSound()
  } finally {
    fleet.end()
  }
})

const ZOMBIES = repetitions(200, 1000)
test(`F25: ${ZOMBIES} orphans that end come home and leave no zombie`, { skip: perl }, async () => {
  const fleet = new FaultFleet(
    `${DEFAULTS}
modules:
  storm:
    kind: task
    command: [/usr/bin/perl, storm.pl]
  calm: { command: [sleep, "1000"] }
`,
    ['calm'],
  )
  fleet.write(
    'storm.pl',
    `for (1 .. ${ZOMBIES}) { if (!fork) { exit if fork; select undef, undef, undef, rand 0.3; exit } }
sleep 1`,
  )
  try {
    await fleet.expect(0, 'up', '-d')
    await fleet.settled('storm', /completed/)
    const keeper = (await fleet.armed()).pid
    await until('no zombie is left', 10_000, () =>
      allPids().every(pid => {
        const stat = statOf(pid)
        return stat === null || stat.ppid !== keeper || stat.state !== 'Z'
      }),
    )
    fleet.pidOf('calm')
  } finally {
    fleet.end()
  }
})

test('F30: an exit is told by the kernel, whoever still holds the output', { skip: perl }, async () => {
  const fleet = new FaultFleet(
    `defaults: { kind: task, restart: { policy: never } }
modules:
  closes: { command: [/usr/bin/perl, -e, 'close STDOUT; close STDERR; sleep 1; exit 4'] }
  hands_on: { command: [sh, -c, "setsid sleep 1000 & exit 5"] }
`,
  )
  try {
    await fleet.mark('up', '-d', '--timeout', '20s')
    for (const [name, code] of [
      ['closes', 4],
      ['hands_on', 5],
    ] as const) {
      const view = await fleet.settled(name, /failed/)
      assert.deepEqual([view.last_exit?.known, view.last_exit?.code], [true, code])
    }
    await fleet.expect(0, 'down')
    assert.deepEqual(livingIn(realpathSync(fleet.dir)), [])
  } finally {
    fleet.end()
  }
})
