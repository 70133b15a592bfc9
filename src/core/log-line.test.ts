import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { atLeast, LOG_LEVELS, levelOf, parseLine } from './log-line.ts'

const AT = Date.UTC(2026, 10, 22, 15, 43, 7, 123)

test('times are read as the usual loggers write them', () => {
  const lines: [string, number][] = [
    ['2026-11-22T15:43:07.123Z started', AT],
    ['2026-11-22T15:43:07.123456789Z x', AT],
    ['2026-11-22T16:43:07.123+01:00 x', AT],
    ['2026-11-22 10:13:07.123 -0530 x', AT],
    ['2026-11-22 15:43:07,123 - vida - INFO - tick', AT],
    ['2026-11-22 15:43:07.123 | INFO     | vida:main:12 - tick', AT],
    ['[2026-11-22 15:43:07.123] x', AT],
    ['2026/11/22 15:43:07 x', AT - 123],
    ['2026-11-22 15:43:07', AT - 123],
    ['{"level":30,"time":1795362187123,"msg":"x"}', AT],
    ['{"ts":1795362187.123,"level":"info"}', AT],
    ['{"timestamp":"2026-11-22T15:43:07.123Z","level":"error"}', AT],
    ['1795362187.123 x', AT],
    ['1795362187123 x', AT],
    ['1795362187 x', AT - 123],
    ['\x1b[32m2026-11-22 15:43:07.123\x1b[0m | \x1b[1mINFO    \x1b[0m | x', AT],
  ]
  for (const [line, timeMs] of lines) assert.equal(parseLine(line, null).timeMs, timeMs, line)
})

test('a time without a zone is taken in the zone that is given, one with a zone is not', () => {
  const hour = 3_600_000
  assert.equal(parseLine('2026-11-22 15:43:07.123 x', null, hour).timeMs, AT - hour)
  assert.equal(parseLine('2026-11-22 15:43:07.123Z x', null, hour).timeMs, AT)
})

test('what only looks like a time is none', () => {
  for (const line of [
    '',
    'x',
    '15:43:07 x',
    '2026-13-22 15:43:07 x',
    '2026-11-22 25:43:07 x',
    '2026-11-22',
    'order 1795362187123 filled',
    '17953621871234 x',
    '1234567890123456789 x',
    '0000000001 x',
    '{"price":1795362187123}',
    '1999-01-01 00:00:00 old',
    '2026-11-22 15:43:07:99 x',
  ]) {
    assert.equal(parseLine(line, null).timeMs, null, line)
  }
})

test('levels are read as the usual loggers write them', () => {
  const lines: [string, string | null][] = [
    ['2026-11-22 15:43:07,123 - freqtrade.worker - WARNING - late', 'warning'],
    ['2026-11-22 15:43:07,123 ERROR vida: failed', 'error'],
    ['WARNING:root:late', 'warning'],
    ['2026-11-22 15:43:07.123 | SUCCESS  | m:f:1 - done', 'info'],
    ['2026-11-22 15:43:07.123 | CRITICAL | m:f:1 - down', 'critical'],
    ['[WARN] slow', 'warning'],
    ['[error] nginx', 'error'],
    ['[2026-11-22 15:43:07] [INFO] x', 'info'],
    ['time=2026 level=debug msg="x"', 'debug'],
    ['ERROR: it broke', 'error'],
    ['error: it broke', 'error'],
    ['DEBUG x', 'debug'],
    ['{"level":10,"msg":"x"}', 'debug'],
    ['{"level":20,"msg":"x"}', 'debug'],
    ['{"level":30,"msg":"x"}', 'info'],
    ['{"level":40,"msg":"x"}', 'warning'],
    ['{"level":50,"msg":"x"}', 'error'],
    ['{"level":60,"msg":"x"}', 'critical'],
    ['{"severity":"CRITICAL"}', 'critical'],
    ['there was an error in the info text', null],
    ['Traceback (most recent call last):', null],
    ['  File "x.py", line 3, in main', null],
    ['', null],
  ]
  for (const [line, level] of lines) assert.equal(parseLine(line, null).level, level, line)
})

test('a level in a message does not beat the one of the line', () => {
  assert.equal(
    parseLine('2026-11-22 15:43:07,123 - m - INFO - last ERROR was 3 days ago', null).level,
    'info',
  )
  assert.equal(parseLine('{"level":30,"msg":"ERROR was here"}', null).level, 'info')
  assert.equal(parseLine('{"msg":"a \\"level\\":50 inside","level":30}', null).level, 'info')
})

test('a pattern of the user wins: its first group, or all it matched', () => {
  assert.equal(parseLine('INFO sev=ERR x', /sev=(\w+)/).level, 'error')
  assert.equal(parseLine('lvl 50 x', /\b\d0\b/g).level, 'error')
  assert.equal(parseLine('WARNING x', /sev=(\w+)/).level, 'warning', 'no match: as always')
})

test('words and numbers stand for levels', () => {
  assert.deepEqual(['10', '20', '30', '40', '50', '60', '35', '99'].map(levelOf), [
    'debug',
    'debug',
    'info',
    'warning',
    'error',
    'critical',
    'info',
    'critical',
  ])
  assert.equal(levelOf('Warn'), 'warning')
  assert.equal(levelOf('loud'), null)
  assert.equal(levelOf('7'), null)
})

test('a line without a level counts as info', () => {
  assert.deepEqual(
    LOG_LEVELS.map(least => atLeast(null, least)),
    [true, true, false, false, false],
  )
  assert.equal(atLeast('critical', 'error'), true)
})

test('no text whatever makes it fail or take long', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), text => void parseLine(text, null)))
  for (const text of [
    '('.repeat(65_536),
    '\x1b[0;'.repeat(16_384),
    '{"level":'.repeat(8_000),
    ' '.repeat(65_536),
    '|'.repeat(65_536),
  ]) {
    const began = performance.now()
    for (let i = 0; i < 100; i++) parseLine(text, null)
    assert.ok(performance.now() - began < 200)
  }
})
