import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKFILL_MAX, missedAskText } from './missed-ask.ts'

const NOON_MS = Date.UTC(2026, 0, 1, 12)

test('one instant, several, and more than one order may run', () => {
  assert.equal(
    missedAskText('luka', [NOON_MS]),
    'its instant 2026-01-01T12:00:00.000Z passed while nobody watched the clock, and did not run ' +
      '(missed: ask); ' +
      '`mark job backfill luka --from 2026-01-01T12:00:00.000Z --until 2026-01-01T12:00:00.001Z` runs it',
  )
  assert.equal(
    missedAskText('luka', [NOON_MS + 60_000, NOON_MS]),
    '2 instants passed while nobody watched the clock, and did not run (missed: ask); ' +
      '`mark job backfill luka --from 2026-01-01T12:00:00.000Z --until 2026-01-01T12:01:00.001Z` runs them',
  )
  const many = Array.from({ length: BACKFILL_MAX + 60 }, (_, index) => NOON_MS + index * 60_000)
  assert.match(
    missedAskText('luka', many),
    /^more than 1000 instants .* --from 2026-01-01T13:00:00.000Z .* runs the newest 1000$/,
  )
})
