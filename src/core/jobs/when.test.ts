/** What `when:` allows, and the reason that a person reads when it does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TimeZone } from '../cron-instants.ts'
import { XNYS } from './calendars/xnys.ts'
import type { WhenSpec } from './when-spec.ts'
import { allowedAt, allowedForMs } from './when.ts'

const fixed = (hours: number): TimeZone => ({
  stretchAt: () => ({ fromMs: -Infinity, untilMs: Infinity, offsetMs: hours * 3_600_000 }),
})
const UTC = fixed(0)
const SUMMER = { data: XNYS, zone: fixed(-4) }
const HOUR = 3_600_000
const ms = (text: string): number => Date.parse(text)
const ALL: WhenSpec = { calendar: null, session: null, exclude: [], active: null }
const OPEN: WhenSpec = { ...ALL, calendar: 'XNYS', session: 'open' }
const weekdays = [1, 2, 3, 4, 5]
const hours = (from: number, until: number, days = weekdays): WhenSpec => ({
  ...ALL,
  active: { fromMinute: from * 60, untilMinute: until * 60, weekdays: days },
})

const SAID: [when: WhenSpec, at: string, said: string][] = [
  [ALL, '2026-07-03T12:00:00Z', 'yes'],
  [OPEN, '2026-07-02T13:30:00Z', 'yes'],
  [OPEN, '2026-07-02T13:29:59Z', 'XNYS is closed at 09:29: open 09:30-16:00 on 2026-07-02'],
  [OPEN, '2026-07-03T15:00:00Z', 'XNYS is closed on 2026-07-03'],
  [OPEN, '2028-01-03T15:00:00Z', 'the data of XNYS do not reach 2028-01-03'],
  [{ ...OPEN, session: null }, '2026-07-03T03:59:59Z', 'yes'],
  [{ ...OPEN, session: null }, '2026-07-03T04:00:00Z', 'XNYS is closed on 2026-07-03'],
  [{ ...OPEN, session: 'closed' }, '2026-07-02T15:00:00Z', 'XNYS is open until 16:00'],
  [{ ...OPEN, session: 'closed' }, '2026-07-03T15:00:00Z', 'yes'],
  [{ ...OPEN, exclude: ['2026-07-02'] }, '2026-07-02T15:00:00Z', '2026-07-02 is excluded'],
  [{ ...ALL, exclude: ['2026-12-24'] }, '2026-12-24T23:59:59Z', '2026-12-24 is excluded'],
  [hours(8, 22), '2026-07-03T07:59:59Z', 'outside 08:00-22:00 Mon-Fri'],
  [hours(8, 22), '2026-07-04T12:00:00Z', 'outside 08:00-22:00 Mon-Fri'],
  [hours(8, 22, [1, 3]), '2026-07-04T12:00:00Z', 'outside 08:00-22:00 Mon,Wed'],
  [hours(8, 22, [0, 1, 2, 3, 4, 5, 6]), '2026-07-04T22:00:00Z', 'outside 08:00-22:00'],
  [hours(0, 24), '2026-07-03T23:59:59Z', 'yes'],
  // Over midnight it belongs to the day on which it began: Friday's night ends on Saturday.
  [hours(22, 6), '2026-07-04T05:59:59Z', 'yes'],
  [hours(22, 6), '2026-07-06T05:59:59Z', 'outside 22:00-06:00 Mon-Fri'],
]

for (const [index, [when, at, said]] of SAID.entries()) {
  test(`${index}: at ${at} the answer is: ${said}`, () => {
    const answer = allowedAt(when, when.calendar ? SUMMER : null, UTC, ms(at))
    assert.equal(answer.allowed ? 'yes' : answer.reason, said)
  })
}

test('a calendar that nobody knows is no answer, and that is said', () => {
  const answer = allowedAt(OPEN, null, UTC, ms('2026-07-02T15:00:00Z'))
  assert.deepEqual(answer, {
    allowed: false,
    reason: 'the data of XNYS do not reach 2026-07-02',
    known: false,
  })
})

test('how long it has been allowed is counted from the opening, and no further than asked', () => {
  const since = (at: string, most: number) => allowedForMs(OPEN, SUMMER, UTC, ms(at), most)
  assert.equal(since('2026-07-02T13:29:59.999Z', HOUR), 0)
  assert.equal(since('2026-07-02T13:30:00Z', HOUR), 0)
  assert.equal(since('2026-07-02T13:30:10Z', HOUR), 10_000)
  assert.equal(since('2026-07-02T15:30:00Z', HOUR), HOUR)
  assert.equal(since('2028-01-03T15:00:00Z', HOUR), HOUR, 'what is not known counts')
  assert.equal(allowedForMs(ALL, null, UTC, ms('2026-07-02T15:00:00Z'), 100 * HOUR), 100 * HOUR)
})
