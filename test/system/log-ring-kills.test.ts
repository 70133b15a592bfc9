/**
 * The keeper of a log killed at random while four writers flood it and it is cut all the time: a reader from
 * the start and a late one get every line once and in order. MARK_LOG_KILLS says how many kills.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadLibc } from '../../src/host/libc.ts'
import { archivesOf } from '../../src/host/log-archive.ts'
import { followLog, tailLines } from '../../src/host/log-reader.ts'
import { settleLog } from '../../src/host/log-settle.ts'
import * as ring from '../contracts/log-ring.contract.ts'

const KILLS = Number(process.env.MARK_LOG_KILLS ?? 12)
const NAMES = ['a', 'b', 'c', 'd']
const PER_SECOND = 10_000
const CATCH_UP_MS = 60_000
const skip = loadLibc() === null ? 'koffi cannot be loaded here' : false
/** Cut as often as can be. */
const SPEC = { ...ring.SPEC, maxSizeBytes: 600 * 1024 }

test('no line is lost, torn, doubled or moved when the keeper is killed again and again', {
  skip,
}, async t => {
  const logs = mkdtempSync(join(tmpdir(), 'mark-kills-'))
  t.after(() => rmSync(logs, { recursive: true, force: true }))
  const first = reader(t, logs, 0, false)
  const writers = NAMES.map(name => ring.startWriter(logs, name, 0, { perSecond: PER_SECOND }))
  t.after(() => {
    for (const writer of writers) writer.kill('SIGKILL')
  })
  const results = Promise.all(writers.map(ring.outputOf))
  let late: Reader | null = null
  for (let kills = 0; kills < KILLS; kills++) {
    const keeper = ring.startKeeper(logs, SPEC)
    await ring.ready(keeper)
    await pause(Math.random() * 400)
    keeper.kill('SIGKILL')
    await once(keeper, 'exit')
    if (kills !== Math.floor(KILLS / 2)) continue
    late = reader(t, logs, tailLines(logs, 'vida', 1, { complete: true })[0]?.offset ?? 0, true)
  }
  const last = ring.startKeeper(logs, SPEC)
  for (const writer of writers) writer.stdin?.end()
  const ends = (await results).map(text => JSON.parse(text) as { written: number; failed: number })
  await ring.endKeeper(last)
  const again = reader(t, logs, 0, false)
  for (const one of [first, late as Reader, again]) await one.until(ends.map(({ written }) => written))
  const cuts = archivesOf(logs, 'vida').length
  t.diagnostic(`${KILLS} kills, ${cuts} cuts, ${ends.reduce((sum, { written }) => sum + written, 0)} lines`)
  assert.ok(cuts >= 2 && ends.every(({ failed }) => failed === 0))
  assert.equal(settleLog(logs, 'vida').phase, 'settled')
})

interface Reader {
  /** Resolves when it got that many lines of each writer; rejects as soon as one is not as it must be. */
  until(ends: readonly number[]): Promise<void>
}

function reader(t: TestContext, logs: string, from: number, late: boolean): Reader {
  const got = new ring.Sequences(late)
  let wrong: unknown = null
  const follower = followLog(logs, 'vida', from, lines => {
    try {
      if (wrong === null) got.take(lines)
    } catch (error) {
      wrong = error
    }
  })
  t.after(() => follower.close())
  return {
    async until(ends) {
      const deadline = performance.now() + CATCH_UP_MS
      for (;;) {
        if (wrong !== null) throw wrong
        if (NAMES.every((name, at) => got.next.get(name) === ends[at])) return
        const have = JSON.stringify([...got.next])
        assert.ok(performance.now() < deadline, `it stands at ${have} of ${JSON.stringify(ends)}`)
        await pause(20)
      }
    },
  }
}
