import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, formatUtc, parseDurationMs, parseSizeBytes } from './time.ts'

test('durations are read as people write them', () => {
  const cases = {
    '500ms': 500,
    '3s': 3000,
    '1.5s': 1500,
    '5m': 300_000,
    '1h': 3_600_000,
    '14d': 1_209_600_000,
    '0s': 0,
  }
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDurationMs(text), ms, text)
})

test('what is no duration is null, never a guess', () => {
  for (const text of [
    '',
    '3',
    '3 s',
    '-3s',
    '+3s',
    '3S',
    '3sec',
    's',
    '1e3s',
    '1h30m',
    '.5s',
    '3.s',
    '1.2345s',
    '٣s',
    '3s\n',
  ])
    assert.equal(parseDurationMs(text), null, JSON.stringify(text))
})

test('sizes are read in powers of 1024, plain bytes too', () => {
  const cases = {
    '64K': 65_536,
    '512M': 536_870_912,
    '2G': 2_147_483_648,
    '4096': 4096,
    '0': 0,
    '1.5K': 1536,
  }
  for (const [text, bytes] of Object.entries(cases)) assert.equal(parseSizeBytes(text), bytes, text)
  for (const text of ['', 'K', '1T', '1k', '1KB', '-1K', '1 K', '0x10', '1K\n'])
    assert.equal(parseSizeBytes(text), null, JSON.stringify(text))
})

test('a written duration reads back as the same number of milliseconds', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 - 1 }), ms => parseDurationMs(formatDuration(ms)) === ms),
  )
  assert.deepEqual([3000, 90_000, 1500, 86_400_000, 0].map(formatDuration), [
    '3s',
    '90s',
    '1500ms',
    '1d',
    '0s',
  ])
})

test('a time is RFC 3339 in UTC, with milliseconds', () => {
  assert.equal(formatUtc(0), '1970-01-01T00:00:00.000Z')
  assert.equal(formatUtc(1_700_000_000_123), '2023-11-14T22:13:20.123Z')
})
