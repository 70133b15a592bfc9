/**
 * F16: what cannot be started says why; what passes by itself is tried again and never counted; others run
 * on.
 */
import assert from 'node:assert/strict'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../system/fleet.ts'
import { FaultFleet, isRoot } from './fault-fleet.ts'

const DEFAULTS =
  'defaults: { restart: { delay: 200ms, multiplier: 1, budget: [10000/1d] }, ready: { delay: 50ms } }'
const PIDS = '/sys/fs/cgroup/pids'
/** execve takes no single word of more than 128 KiB. */
const TOO_LONG = 200_000

const SCRIPT = '#!/bin/sh\nexec sleep 1000\n'
const CONFIG = `${DEFAULTS}
modules:
  enoent: { command: [./not-there, x] }
  eacces: { command: [./not-executable] }
  enoexec: { command: [./no-program] }
  interpreter: { command: [./lost-interpreter] }
  e2big: { command: [sleep, "1000"], env_file: [big.env] }
  cwd: { command: [sleep, "1000"], working_dir: gone }
  busy: { command: [./busy, "1000"] }
  directory: { command: [./turned] }
  calm: { command: [sleep, "1000"] }
`
const WHY: Readonly<Record<string, RegExp>> = {
  enoent: /not-there was not found/,
  eacces: /not-executable may not be executed/,
  enoexec: /no-program is no program/,
  interpreter: /lost-interpreter names an interpreter in its first line that is missing/,
  e2big: /the arguments and the environment of sleep are too large/,
  cwd: /its working directory .*gone is missing/,
  busy: /busy is being written to \(ETXTBSY\)/,
  directory: /turned may not be executed/,
}

function makeWell(fleet: FaultFleet): void {
  for (const name of ['not-there', 'not-executable', 'busy', 'turned']) fleet.write(name, SCRIPT, 0o755)
  fleet.write('no-program', 'neither binary nor script\n', 0o755)
  fleet.write('lost-interpreter', '#!/nowhere/python\n', 0o755)
  fleet.write('big.env', 'BIG=1\n')
  mkdirSync(join(fleet.dir, 'gone'))
}

/** What was well when it was checked goes wrong. Returns the descriptor by which `busy` is written to. */
function harm(fleet: FaultFleet): number {
  const at = (name: string): string => join(fleet.dir, name)
  rmSync(at('not-there'))
  chmodSync(at('not-executable'), 0o644)
  rmSync(at('turned'))
  mkdirSync(at('turned'))
  rmdirSync(at('gone'))
  fleet.write('big.env', `BIG=${'x'.repeat(TOO_LONG)}\n`)
  rmSync(at('busy'))
  copyFileSync(existsSync('/bin/sleep') ? '/bin/sleep' : '/usr/bin/sleep', at('busy'))
  chmodSync(at('busy'), 0o755)
  return openSync(at('busy'), 'r+')
}

test('F16: what cannot be executed names its reason, is tried again, and runs once it can', async () => {
  const fleet = new FaultFleet(CONFIG, ['calm', 'enoent', 'cwd', 'busy', 'e2big'])
  let writer: number | null = null
  try {
    makeWell(fleet)
    await fleet.expect(0, 'up', 'calm', '-d')
    const calm = fleet.pidOf('calm')
    writer = harm(fleet)
    await fleet.tell('start', ...Object.keys(WHY))
    for (const [name, says] of Object.entries(WHY)) {
      const view = await fleet.settled(name, /backoff/)
      assert.match(view.reason, says)
      assert.ok(view.next_start_at !== null, `${name} is tried again`)
    }
    assert.equal((await fleet.view('busy'))?.restarts, 0, 'what passes by itself is not counted')
    fleet.write('not-there', SCRIPT, 0o755)
    mkdirSync(join(fleet.dir, 'gone'))
    closeSync(writer)
    writer = null
    fleet.write('big.env', 'BIG=1\n')
    for (const name of ['enoent', 'cwd', 'busy', 'e2big']) await fleet.settled(name, /ready/)
    assert.equal(fleet.pidOf('calm'), calm)
    assert.equal(fleet.events('exited').length, 0, 'what never ran has no exit')
  } finally {
    if (writer !== null) closeSync(writer)
    fleet.end()
  }
})

const noPids = isRoot && existsSync(PIDS) ? false : 'a limit of processes needs root and a v1 pids controller'
test('F16: with no process to be had the keeper says so, counts nothing, and goes on when there is one', {
  skip: noPids,
}, async () => {
  const fleet = new FaultFleet(
    `${DEFAULTS}
modules:
  calm: { command: [sleep, "1000"] }
  late: { command: [sleep, "1000"], restart: { policy: never } }
`,
    ['calm', 'late'],
  )
  const group = join(PIDS, `mark-f16-${process.pid}`)
  mkdirSync(group)
  try {
    await fleet.expect(0, 'up', 'calm', '-d')
    const calm = fleet.pidOf('calm')
    const keeper = await fleet.armed()
    writeFileSync(join(group, 'cgroup.procs'), String(keeper.pid))
    writeFileSync(join(group, 'pids.max'), '1')
    await fleet.tell('start', 'late')
    const view = await fleet.settled('late', /backoff/)
    assert.match(view.reason, /could not be started: the host is short of .* \((?:EAGAIN|EWOULDBLOCK)\)/)
    await until('it was tried again', 10_000, async () => {
      const next = (await fleet.view('late'))?.next_start_at ?? null
      return next !== null && next !== view.next_start_at
    })
    assert.equal(fleet.events('start_refused', 'late').length, 1, 'and told once')
    assert.equal((await fleet.armed()).pid, keeper.pid, 'the keeper lives')
    writeFileSync(join(group, 'pids.max'), 'max')
    const ready = await fleet.settled('late', /ready/)
    assert.equal(ready.restarts, 0)
    assert.equal(fleet.pidOf('calm'), calm)
  } finally {
    writeFileSync(join(group, 'pids.max'), 'max')
    await fleet.mark('down')
    fleet.end()
    rmdirSync(group)
  }
})
