/**
 * F29: a log that is deleted, renamed, closed off or replaced by something that is no file, under a module
 * that runs and under one that restarts. No module waits, MARK writes nowhere else, others run on.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../system/fleet.ts'
import { FaultFleet, repetitions } from './fault-fleet.ts'

const CONFIG = `defaults:
  restart: { delay: 50ms, multiplier: 1, max_delay: 1s, budget: [100000/1d] }
  ready: { delay: 20ms }
  stop: { grace: 1s }
modules:
  talks: { command: [sh, -c, "n=0; while :; do n=$((n+1)); echo line $n; echo $n > heard; sleep 0.02; done"] }
  calm: { command: [sleep, "1000"] }
`

const SURGERY: Readonly<Record<string, (log: string, elsewhere: string) => void>> = {
  deleted: log => rmSync(log),
  renamed: log => renameSync(log, `${log}.away`),
  'closed to all': log => chmodSync(log, 0),
  'a FIFO nobody reads': log => {
    rmSync(log)
    execFileSync('mkfifo', [log])
  },
  'a directory': log => {
    rmSync(log)
    mkdirSync(log)
  },
  'a link to another file': (log, elsewhere) => {
    rmSync(log)
    symlinkSync(elsewhere, log)
  },
  'a link to nowhere': log => {
    rmSync(log)
    symlinkSync('/nowhere/at/all', log)
  },
}

for (const [what, operate] of Object.entries(SURGERY)) {
  test(`F29: a log that is ${what} costs no run`, async () => {
    const fleet = new FaultFleet(CONFIG, ['talks', 'calm'])
    const log = join(fleet.stateDir, 'logs', 'talks.log')
    const elsewhere = fleet.write('elsewhere', 'untouched\n')
    const moves = async (): Promise<void> => {
      const before = fleet.read('heard')
      await until('the module goes on', 5000, () => fleet.read('heard') !== before)
    }
    try {
      await fleet.up()
      const calm = fleet.pidOf('calm')
      const keeper = (await fleet.armed()).pid
      for (let round = 0; round < repetitions(1, 15); round++) {
        await moves()
        operate(log, elsewhere)
        await moves()
        assert.equal((await fleet.mark('status')).code, 0)
        await fleet.begin('logs', 'talks', '-n', '5').ended
        const old = fleet.pidOf('talks')
        await fleet.tell('restart', 'talks')
        const view = await until('it runs again, or says what is in the way', 15_000, async () => {
          const now = await fleet.view('talks')
          const running = now?.state === 'ready' && now.pid !== old
          return (running || (now?.state === 'backoff' && now.reason !== '')) && now
        })
        assert.equal(readFileSync(elsewhere, 'utf8'), 'untouched\n', 'nothing is written through a link')
        if (view.state === 'backoff') {
          assert.match(view.reason, /log/, view.reason)
          rmSync(log, { recursive: true, force: true })
          await fleet.settled('talks', /ready/)
        }
        await until(
          'its log is written to again',
          5000,
          () => existsSync(log) && fleet.read('.mark/logs/talks.log'),
        )
        assert.equal(fleet.pidOf('calm'), calm)
        assert.equal(fleet.look().keeper?.pid, keeper)
      }
      fleet.assertSound()
    } finally {
      fleet.end()
    }
  })
}

test('F29: a log directory that is gone and comes back costs no run', async () => {
  const fleet = new FaultFleet(CONFIG, ['talks', 'calm'])
  const logs = join(fleet.stateDir, 'logs')
  try {
    await fleet.up()
    const pids = fleet.pids()
    rmSync(logs, { recursive: true, force: true })
    writeFileSync(logs, 'in the way\n')
    await sleep(300)
    assert.deepEqual(fleet.pids(), pids, 'who runs is left alone')
    await fleet.tell('restart', 'talks')
    await fleet.settled('talks', /backoff/)
    rmSync(logs)
    mkdirSync(logs, { mode: 0o700 })
    await fleet.settled('talks', /ready/)
    assert.deepEqual(fleet.pids().calm, pids.calm)
  } finally {
    fleet.end()
  }
})
