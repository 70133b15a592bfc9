import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSince } from './since.ts'

const NOW = Date.UTC(2026, 0, 31, 12, 0, 0)

test('--since takes a span, an instant, a local date or a time of today', () => {
  assert.equal(parseSince('10m', NOW), NOW - 600_000)
  assert.equal(parseSince('2026-01-31T09:00:00Z', NOW), Date.UTC(2026, 0, 31, 9))
  assert.equal(parseSince('2026-01-30', NOW), new Date(2026, 0, 30).getTime())
  assert.equal(parseSince('2026-01-30 09:30', NOW), new Date(2026, 0, 30, 9, 30).getTime())
  const today = new Date(NOW)
  assert.equal(
    parseSince('09:30', NOW),
    new Date(today.getFullYear(), today.getMonth(), today.getDate(), 9, 30).getTime(),
  )
})

test('anything else is a usage error, never a guess', () => {
  for (const text of ['yesterday', '5', '1 hour', '2026-99-99', '']) {
    assert.throws(() => parseSince(text, NOW), { code: 'MARK_USAGE' }, text)
  }
})
