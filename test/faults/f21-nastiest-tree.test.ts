/**
 * F21: what a module started does not outlive it, whatever it does to be forgotten: forks every 10 ms, forks
 * twice, leads sessions of its own, ignores what can be ignored, has another name and no environment.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cgroups } from '../../src/host/cgroup.ts'
import { until } from '../system/fleet.ts'
import { FaultFleet, livingIn, repetitions } from './fault-fleet.ts'

const ROUNDS = repetitions(4, 100)
const perl = existsSync('/usr/bin/perl') ? false : 'perl is not installed here'
const noGroups = Cgroups.open({ key: 'probe', libc: null }).can.pids
  ? perl
  : 'this host lets this account make no control group with a limit of processes'

/** Its main process stays and ignores SIGTERM, or ends with 3 in the middle of it all. */
const SWARM = `
use POSIX ();
sub hide { %ENV = (); $0 = "kworker/u8:1"; $SIG{$_} = "IGNORE" for qw(TERM INT HUP QUIT CHLD) }
sub swarm {
  for my $round (1 .. 300) {
    if (!fork) { POSIX::setsid(); exit if fork; hide(); sleep 600; exit }
    if ($round % 5 == 0) { exit if fork; POSIX::setsid() }
    select undef, undef, undef, 0.01;
  }
  sleep 600
}
hide();
if (!fork) { swarm(); exit }
if ($ARGV[0] eq "crash") { select undef, undef, undef, 0.25; exit 3 }
sleep 1 while 1;
`

/** Returns how often something was left. */
async function leftBehind(end: 'stop' | 'crash', limits: string): Promise<{ left: number; most: number }> {
  const fleet = new FaultFleet(
    `defaults: { restart: { policy: never }, stop: { grace: 150ms }, ready: { delay: 50ms } }
modules:
  tree: { command: [/usr/bin/perl, ../swarm.pl, ${end}], working_dir: tree${limits} }
  calm: { command: [sleep, "1000"] }
`,
    ['tree', 'calm'],
  )
  const dir = join(realpathSync(fleet.dir), 'tree')
  mkdirSync(dir)
  fleet.write('swarm.pl', SWARM)
  let left = 0
  let most = 0
  try {
    await fleet.expect(0, 'up', 'calm', '-d')
    const calm = fleet.pidOf('calm')
    for (let round = 0; round < ROUNDS; round++) {
      await fleet.tell('start', 'tree')
      if (end === 'stop') {
        await until('it has forked', 20_000, () => livingIn(dir).length > 12)
        most = Math.max(most, livingIn(dir).length)
        await fleet.tell('stop', 'tree')
      }
      await fleet.settled('tree', end === 'stop' ? /stopped/ : /failed/)
      const living = livingIn(dir)
      if (living.length > 0) left++
      for (const pid of living) process.kill(pid, 'SIGKILL')
    }
    assert.equal(fleet.pidOf('calm'), calm, 'its neighbour was left alone')
    assert.equal(fleet.events('exited', 'tree').length, ROUNDS)
    await fleet.expect(0, 'down')
    assert.deepEqual(livingIn(realpathSync(fleet.dir)), [])
  } finally {
    for (const pid of livingIn(dir)) process.kill(pid, 'SIGKILL')
    fleet.end()
  }
  return { left, most }
}

for (const [how, limits, skip] of [
  ['without limits', '', perl],
  ['in a control group', ', limits: { pids: 3000 }', noGroups],
] as const) {
  test(`F21: mark stop leaves nothing of the nastiest tree ${how}, ${ROUNDS} times`, { skip }, async t => {
    const { left, most } = await leftBehind('stop', limits)
    t.diagnostic(`0 left in ${ROUNDS - left} of ${ROUNDS}; at most ${most} processes`)
    assert.equal(left, 0)
  })

  test(`F21: a crash leaves nothing of the nastiest tree ${how}, ${ROUNDS} times`, { skip }, async t => {
    const { left } = await leftBehind('crash', limits)
    t.diagnostic(`0 left in ${ROUNDS - left} of ${ROUNDS}`)
    assert.equal(left, 0)
  })
}
