/**
 * The keeper of a log killed at random while four modules' helpers flood it and it is cut all the time: a
 * reader from the start and a late one get every line once and in order. MARK_LOG_KILLS says how many kills.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadLibc } from '../../src/host/libc.ts'
import { archivesOf } from '../../src/host/log-archive.ts'
import { tailLines } from '../../src/host/log-reader.ts'
import { settleLog } from '../../src/host/log-settle.ts'
import * as ring from '../contracts/log-ring.contract.ts'

const KILLS = Number(process.env.MARK_LOG_KILLS ?? 12)
const LINES = KILLS * 15_000
const skip = loadLibc() === null ? 'koffi cannot be loaded here' : false
/** Cut as often as can be. */
const SPEC = { ...ring.SPEC, maxSizeBytes: 600 * 1024 }

test('no line is lost, torn, doubled or moved when the keeper is killed again and again', {
  skip,
}, async t => {
  const logs = mkdtempSync(join(tmpdir(), 'mark-kills-'))
  t.after(() => rmSync(logs, { recursive: true, force: true }))
  const first = ring.followTo(logs, 0, new ring.Sequences(), 4, LINES)
  const writers = ['a', 'b', 'c', 'd'].map(name => ring.startWriter(logs, name, LINES, 15_000))
  const results = Promise.all(writers.map(ring.outputOf))
  let late: Promise<void> | null = null
  let kills = 0
  for (; kills < KILLS && writers.some(({ exitCode }) => exitCode === null); kills++) {
    const keeper = ring.startKeeper(logs, SPEC)
    await once(keeper.stdout!, 'data')
    await pause(Math.random() * 300)
    keeper.kill('SIGKILL')
    if (keeper.exitCode === null && keeper.signalCode === null) await once(keeper, 'exit')
    if (kills === Math.floor(KILLS / 2)) {
      const from = tailLines(logs, 'vida', 1, { complete: true })[0]?.offset ?? 0
      late = ring.followTo(logs, from, new ring.Sequences(true), 4, LINES).done
    }
  }
  const last = ring.startKeeper(logs, SPEC)
  for (const result of await results) assert.equal(JSON.parse(result).failed, 0)
  await Promise.all([first.done, late])
  await ring.endKeeper(last)
  const cuts = archivesOf(logs, 'vida').length
  t.diagnostic(`${kills} kills, ${cuts} cuts, ${4 * LINES} lines`)
  assert.ok(kills >= KILLS - 2 && cuts > KILLS / 2)
  assert.equal(settleLog(logs, 'vida').phase, 'settled')
  const whole = new ring.Sequences()
  await ring.followTo(logs, 0, whole, 4, LINES).done
})
