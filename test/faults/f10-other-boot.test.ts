/**
 * F10: the host restarted under a fleet: all state is there and the boot id is another. Nothing that the
 * records name is believed to be ours, though pids and start times fit; all starts again in order, and no
 * stranger under an old pid gets a signal.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { statOf } from '../chaos/proc.ts'
import { BIN, cleanEnv, until } from '../system/fleet.ts'
import { FaultFleet, isRoot, repetitions } from './fault-fleet.ts'

const BOOTS = repetitions(2, 20)
const NAMES = ['luka', 'roko', 'dabi']
const FLEET = `defaults:
  ready: { delay: 50ms }
  stop: { grace: 2s }
modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sleep, "1000"], depends_on: [luka] }
  dabi: { command: [sleep, "1000"], depends_on: [roko] }
`
/** Writes down every signal that can be caught; of the others its death tells. */
const DECOY = `import os, signal, sys, time
def heard(number, frame):
    with open('signals', 'a') as file: file.write(f'{os.getpid()} {number}\\n')
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, heard)
print('set', flush=True)
while True: time.sleep(1)
`

/** `mark` in a mount namespace where the boot id is what the file \`boot\` says. */
function mark(fleet: FaultFleet, ...words: string[]): string {
  const script = 'mount --bind boot /proc/sys/kernel/random/boot_id && exec "$@"'
  const argv = ['-m', 'sh', '-c', script, 'sh', BIN, ...words]
  return execFileSync('unshare', argv, {
    cwd: fleet.dir,
    env: cleanEnv(),
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function decoy(fleet: FaultFleet): Promise<number> {
  const child = spawn('python3', ['-c', DECOY], { cwd: fleet.dir, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout.once('data', resolve))
  return child.pid as number
}

test('F10: after a restart of the host all starts again in order, and no stranger is touched', {
  skip: isRoot ? false : 'a mount namespace needs root',
}, async t => {
  const fleet = new FaultFleet(FLEET, NAMES)
  const decoys: number[] = []
  try {
    fleet.write('boot', `${randomUUID()}\n`)
    mark(fleet, 'up', '-d')
    await fleet.armed()
    for (let boot = 1; boot <= BOOTS; boot++) {
      fleet.killMark()
      for (const pids of Object.values(fleet.pids())) for (const pid of pids) process.kill(pid, 'SIGKILL')
      await until('nothing is left', 5000, () => fleet.observer.everything().length === 0)
      const runs = join(fleet.stateDir, 'runs')
      for (const name of readdirSync(runs).filter(name => name.endsWith('.json'))) {
        const pid = await decoy(fleet)
        decoys.push(pid)
        // Worst case: pid and start time are a stranger's of this boot. Without its seal it is believed.
        const record = JSON.parse(readFileSync(join(runs, name), 'utf8')) as Record<string, unknown>
        const { crc: _crc, ...rest } = record
        writeFileSync(join(runs, name), JSON.stringify({ ...rest, pid, start_time: statOf(pid)?.start }))
      }
      fleet.write('boot', `${randomUUID()}\n`)
      mark(fleet, 'up', '-d')
      await fleet.armed()
      for (const name of NAMES) fleet.pidOf(name)
      const started = fleet.events('started').slice(-4)
      assert.equal(started.filter(event => event.module === '@daemon').length, 1, 'one daemon, started once')
      const order = started.map(event => event.module).filter(name => NAMES.includes(name as string))
      assert.deepEqual(order, NAMES)
      const told = fleet.events('keeper_started').at(-1)
      assert.equal(told?.data.boot, true)
      const lost = fleet.events('exited').filter(event => event.data.reason === 'the host restarted')
      assert.equal(lost.filter(event => NAMES.includes(event.module as string)).length, 3 * boot)
    }
    mark(fleet, 'down')
    assert.equal(fleet.read('signals'), '')
    for (const pid of decoys) assert.notEqual(statOf(pid), null, `decoy ${pid} lives`)
    assert.deepEqual(fleet.observer.doubled, [])
    t.diagnostic(`${BOOTS} boots, ${decoys.length} decoys, 0 signals`)
  } finally {
    for (const pid of decoys) process.kill(pid, 'SIGKILL')
    fleet.end()
  }
})
