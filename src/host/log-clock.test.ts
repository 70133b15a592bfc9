import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LogClock } from './log-clock.ts'
import { readIndex } from './log-file.ts'

test('a log that was quiet for long is looked at seldom, and its growth keeps its time', () => {
  const logs = join(mkdtempSync(join(tmpdir(), 'log-clock-')), 'logs')
  mkdirSync(logs)
  const live = join(logs, 'luka.log')
  const grow = (atS: number): void => {
    appendFileSync(live, 'a line\n')
    utimesSync(live, atS, atS)
  }
  const clock = new LogClock(logs, () => 2_000_000)
  try {
    grow(1000)
    clock.follow('luka', 'R1')
    const marks = (): number[] => readIndex(logs, 'luka').map(entry => entry.timeMs)
    clock.tick()
    assert.deepEqual(marks(), [2_000_000], 'the first look marks it')
    for (let look = 0; look < 40; look++) clock.tick()
    grow(1500)
    for (let look = 0; look < 5; look++) clock.tick()
    assert.deepEqual(
      marks(),
      [1_500_000, 2_000_000].sort((a, b) => b - a),
      'within five looks, at its time',
    )
    grow(1600)
    clock.tick()
    assert.equal(marks().length, 3, 'it is lively again, and looked at each time')
  } finally {
    clock.close()
    rmSync(join(logs, '..'), { recursive: true, force: true })
  }
})

test('logs that nobody looked at for a while are looked at long before the second is over', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const logs = join(mkdtempSync(join(tmpdir(), 'log-clock-')), 'logs')
  mkdirSync(logs)
  const grow = (): void => appendFileSync(join(logs, 'luka.log'), 'a line\n')
  grow()
  const clock = new LogClock(logs, () => 2_000_000)
  try {
    clock.follow('luka', 'R1')
    t.mock.timers.tick(100)
    assert.deepEqual(readIndex(logs, 'luka'), [], 'a new run has time')
    for (const times of [1, 2]) {
      clock.lookSoon()
      t.mock.timers.tick(100)
      assert.equal(readIndex(logs, 'luka').length, times, 'each time it is asked')
      grow()
    }
  } finally {
    clock.close()
    rmSync(join(logs, '..'), { recursive: true, force: true })
  }
})
