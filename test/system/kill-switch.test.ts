/**
 * The kill switch, end to end: whatever of MARK lives or hangs, all in scope stops, and stays stopped until
 * released.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Seen } from '../chaos/observer.ts'
import { Fleet, until } from './fleet.ts'

const GRACE_MS = 2000
/** Longest grace + 1 s (SPEC), and what a loaded host may add. */
const STOPPED_MS = GRACE_MS + 1000

/** `deaf` ignores SIGTERM, so that the grace is really used; `litter` leaves a process behind. */
const FLEET = `defaults:
  restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }
  ready: { delay: 50ms }
  stop: { grace: 2s }
modules:
  polite: { command: [sleep, "1000"] }
  deaf: { command: [python3, deaf.py], ready: notify }
  litter: { command: [sh, -c, "sleep 1000 & exec sleep 1000"], depends_on: [polite] }
`
const NAMES = ['polite', 'deaf', 'litter']
const DEAF = `import os, signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
while True: signal.pause()
`

async function running(): Promise<Fleet> {
  const fleet = new Fleet(FLEET, NAMES)
  fleet.write('deaf.py', DEAF)
  await fleet.up()
  await until('keeper, daemon and successor are there', 10_000, () => {
    const look = fleet.look()
    return look.keeperServes && look.waiting.length > 0 && look.daemonWitnesses
  })
  return fleet
}

/** No process of the fleet but MARK's own. */
function isStopped(fleet: Fleet): boolean {
  return !fleet.observer.everything().some(seen => seen.role === 'module' || seen.role === 'helper')
}

/** Latched, refused, and so it stays under another keeper; after the release everything can be started. */
async function provesLatched(fleet: Fleet): Promise<void> {
  const refused = await fleet.expect(5, 'up', '-d')
  assert.match(refused.stderr, /MARK_LATCHED/)
  const { keeper } = fleet.look()
  if (keeper) {
    await fleet.expect(5, 'start', 'polite')
    process.kill(keeper.pid, 'SIGKILL')
    await until('another keeper serves', 10_000, () => {
      const look = fleet.look()
      return look.keeperServes && look.keeper?.pid !== keeper.pid
    })
  }
  const { kills } = await fleet.status()
  assert.ok(kills.length > 0, 'the latch outlived the keeper')
  assert.ok(isStopped(fleet), 'the new keeper started nothing')
  await fleet.expect(5, 'up', '-d')
  for (const { id } of kills) await fleet.expect(0, 'kill', 'release', id, '--reason', 'the test is over')
  assert.deepEqual((await fleet.status()).kills, [])
  assert.ok(isStopped(fleet), 'a release starts nothing')
  // Where all of MARK was gone, the refused `up` left no keeper behind: then it takes another `up`.
  await fleet.expect(0, ...(fleet.look().keeper ? ['start', '--all'] : ['up', '-d']))
  assert.deepEqual(
    Object.values(fleet.pids()).map(pids => pids.length),
    [1, 1, 1],
  )
}

async function killAndProve(fleet: Fleet, calls = 1): Promise<void> {
  const began = performance.now()
  const ends = Array.from({ length: calls }, () => fleet.begin('kill', '--reason', 'test'))
  await until('everything in scope is stopped', 20_000, () => isStopped(fleet))
  const stoppedMs = performance.now() - began
  for (const { ended } of ends) {
    const { code, stdout, stderr } = await ended
    assert.equal(code, 0, stdout + stderr)
    assert.equal(stdout.trim().split('\n').length, 3, `three lines: ${stdout}`)
  }
  // A silent keeper is believed dead after one second, which the command needs before it may act.
  assert.ok(stoppedMs < STOPPED_MS + 1500, `stopped after ${Math.round(stoppedMs)} ms`)
}

function stop(
  fleet: Fleet,
  signal: NodeJS.Signals,
  roles: readonly ('keeper' | 'daemon' | 'waiting')[],
): Seen[] {
  const look = fleet.look()
  const targets = roles.flatMap(role => (role === 'waiting' ? look.waiting : [look[role] as Seen]))
  for (const seen of targets) process.kill(seen.pid, signal)
  return targets
}

const CASES: readonly [says: string, wreck: (fleet: Fleet) => unknown, calls: number][] = [
  ['keeper and daemon alive', () => {}, 1],
  ['the daemon dead', fleet => stop(fleet, 'SIGKILL', ['daemon']), 1],
  ['all of MARK dead', fleet => stop(fleet, 'SIGKILL', ['waiting', 'keeper', 'daemon']), 1],
  ['twice at once', () => {}, 2],
]

for (const [says, wreck, calls] of CASES) {
  test(`mark kill with ${says} stops everything in time and holds until released`, async () => {
    const fleet = await running()
    try {
      wreck(fleet)
      await killAndProve(fleet, calls)
      await provesLatched(fleet)
    } finally {
      fleet.end()
    }
  })
}

test('mark kill with keeper and daemon both in SIGSTOP works, and they undo nothing later', async () => {
  const fleet = await running()
  try {
    const stopped = stop(fleet, 'SIGSTOP', ['keeper', 'daemon'])
    await killAndProve(fleet)
    for (const seen of stopped) process.kill(seen.pid, 'SIGCONT')
    await until('the keeper answers again', 10_000, async () => (await fleet.status()).keeper !== null)
    assert.ok(isStopped(fleet))
    await provesLatched(fleet)
  } finally {
    fleet.end()
  }
})

test('mark kill during boot stops what started and starts nothing more', async () => {
  // Ready after so long that boot is surely under way; what depends on it has not begun.
  const slow = FLEET.replace('polite: {', 'polite: { ready: { delay: 6s },')
  const fleet = new Fleet(slow, NAMES)
  fleet.write('deaf.py', DEAF)
  try {
    const up = fleet.begin('up', '-d')
    await until('two are there', 10_000, () => Object.keys(fleet.pids()).sort().join() === 'deaf,polite')
    await killAndProve(fleet)
    assert.equal((await up.ended).code, 1)
    assert.deepEqual(fleet.events('started', 'litter'), [])
    await provesLatched(fleet)
  } finally {
    fleet.end()
  }
})

test('`touch .mark/KILL` halts all, with a live keeper within a second, and before a start', async () => {
  const fleet = await running()
  try {
    writeFileSync(join(fleet.stateDir, 'KILL'), '')
    await until('the polite ones are gone', 1500, () => fleet.pids().polite === undefined)
    await until('everything is stopped', STOPPED_MS, () => isStopped(fleet))
    const { kills } = await fleet.status()
    assert.deepEqual([kills[0]?.level, kills[0]?.scope], ['halt', 'all'])
    await provesLatched(fleet)
    await fleet.expect(0, 'down')
    writeFileSync(join(fleet.stateDir, 'KILL'), '')
    await fleet.expect(5, 'up', '-d')
    assert.ok(isStopped(fleet))
  } finally {
    fleet.end()
  }
})
