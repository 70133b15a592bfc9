import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLocal, formatWall, parseRfc3339 } from './wall-time.ts'

test('a time with its offset is read, and only one that is in the calendar', () => {
  const at = Date.UTC(2026, 2, 29, 1, 30)
  for (const text of ['2026-03-29T02:30:00+01:00', '2026-03-29 01:30Z', '2026-03-29t01:30:00.000000z'])
    assert.equal(parseRfc3339(text), at, text)
  assert.equal(parseRfc3339('2026-03-29T01:30:00.25Z'), at + 250)
  for (const text of [
    ...['', '2026-03-29', '2026-03-29T01:30:00', '2026-02-30T01:30:00Z', '2026-03-29T24:00:00Z'],
    ...['2026-03-29T01:60:00Z', '2026-03-29T01:30:00+24:00', 'tomorrow', '2026-13-01T00:00:00Z'],
  ])
    assert.equal(parseRfc3339(text), null, text)
})

test('a local time shows the offset of its zone', () => {
  const at = Date.UTC(2026, 2, 29, 1)
  assert.equal(formatLocal(at, 7_200_000), '2026-03-29T03:00:00+02:00')
  assert.equal(formatLocal(at, -12_600_000), '2026-03-28T21:30:00-03:30')
  assert.equal(formatLocal(at + 500, 0), '2026-03-29T01:00:00.500+00:00')
})

test('a wall time shows seconds where there are some', () => {
  assert.equal(formatWall(Date.UTC(2026, 2, 29, 2, 30)), '2026-03-29 02:30')
  assert.equal(formatWall(Date.UTC(2026, 2, 29, 2, 30, 5)), '2026-03-29 02:30:05')
})
