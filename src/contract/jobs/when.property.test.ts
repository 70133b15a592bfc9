/**
 * What holds of every `when:` in every zone, over clock changes too: it agrees with the sessions, its answer
 * changes only where the walks say so.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Calendar, type CalendarData, sessionAt, sessionOf } from '../../core/jobs/calendar.ts'
import { KNOWN_CALENDARS } from '../../core/jobs/calendars/known-calendars.ts'
import type { WhenSpec } from '../../core/jobs/when-spec.ts'
import { dayAt } from '../../core/jobs/local-day.ts'
import { allowedAt, allowedForMs } from '../../core/jobs/when.ts'
import { timeZone } from './time-zone.ts'

const RUNS = Number(process.env.MARK_JOB_RUNS ?? 300)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const NAMES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Asia/Tokyo',
]
const zones = fc.constantFrom(...NAMES, 'Pacific/Apia', 'America/Santiago', 'Asia/Beirut').map(timeZone)
const weekdays = fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 })
const minutes = (min: number, max: number) =>
  fc.integer({ min: min / 10, max: max / 10 }).map(ten => ten * 10)

const own: fc.Arbitrary<CalendarData> = fc
  .tuple(zones, weekdays, minutes(0, 1430), minutes(10, 1440))
  .filter(([, , open, close]) => open < close)
  .map(([, days, openMinute, closeMinute]) => ({
    ...(KNOWN_CALENDARS.XNYS as CalendarData),
    weekdays: days,
    openMinute,
    closeMinute,
    earlyCloses: {},
    validFrom: null,
    validUntil: null,
  }))
const calendars: fc.Arbitrary<Calendar> = fc.oneof(
  fc.tuple(own, zones).map(([data, zone]) => ({ data, zone })),
  fc.constantFrom(...Object.values(KNOWN_CALENDARS)).map(data => ({ data, zone: timeZone(data.timezone) })),
)
const actives = fc.option(
  fc
    .tuple(minutes(0, 1430), minutes(10, 1440), weekdays)
    .map(([fromMinute, untilMinute, days]) => ({ fromMinute, untilMinute, weekdays: days })),
)
const whens: fc.Arbitrary<WhenSpec> = fc.record({
  calendar: fc.constantFrom('XNYS', null),
  session: fc.constantFrom('open', 'closed', null),
  exclude: fc.subarray(['2026-03-29', '2026-10-25', '2026-07-02', '2026-03-08', '2026-11-01']),
  active: actives,
})
/** Within 2026, often near a change of the clock. */
const moments = fc.oneof(
  fc.integer({ min: Date.UTC(2026, 0, 15), max: Date.UTC(2026, 11) }),
  fc
    .tuple(
      fc.constantFrom('2026-03-08', '2026-03-29', '2026-04-05', '2026-10-25', '2026-11-01', '2026-04-24'),
      fc.integer({ min: -DAY / MINUTE, max: (2 * DAY) / MINUTE }),
    )
    .map(([day, minute]) => Date.parse(day) + minute * MINUTE),
)

test('an open session allows exactly its instants', () => {
  const when: WhenSpec = { calendar: 'any', session: 'open', exclude: [], active: null }
  fc.assert(
    fc.property(calendars, zones, moments, (calendar, zone, ms) => {
      const session = sessionAt(calendar, ms)
      assert.notEqual(session, 'unknown')
      assert.equal(allowedAt(when, calendar, zone, ms).allowed, session !== null)
      const closed = allowedAt({ ...when, session: 'closed' }, calendar, zone, ms)
      assert.equal(closed.allowed, session === null)
      const ofDay = sessionOf(calendar, dayAt(calendar.zone, ms))
      const within = ofDay !== null && ofDay !== 'unknown' && ofDay.openMs <= ms && ms < ofDay.closeMs
      assert.equal(session !== null, within, 'a session is of its own day')
    }),
    { numRuns: RUNS },
  )
})

test('back to the first allowed instant without a break all are, and the one before is not', () => {
  fc.assert(
    fc.property(whens, calendars, zones, moments, (when, given, zone, ms) => {
      const calendar = when.calendar === null ? null : given
      const allowed = (at: number): boolean => allowedAt(when, calendar, zone, at).allowed
      const since = allowedForMs(when, calendar, zone, ms, 3 * DAY)
      for (let at = ms; at > ms - since; at -= 10 * MINUTE) assert.equal(allowed(at), true)
      if (since < 3 * DAY) assert.equal(allowed(ms) && allowed(ms - since - 1), false)
    }),
    { numRuns: RUNS },
  )
})

test('the session of New York keeps its wall time over both clock changes', () => {
  const calendar: Calendar = {
    data: KNOWN_CALENDARS.XNYS as CalendarData,
    zone: timeZone('America/New_York'),
  }
  const opens = ['2026-03-06', '2026-03-09', '2026-10-30', '2026-11-02'].map(day => {
    const session = sessionOf(calendar, day)
    return session === null || session === 'unknown'
      ? session
      : new Date(session.openMs).toISOString().slice(11, 16)
  })
  assert.deepEqual(opens, ['14:30', '13:30', '13:30', '14:30'])
})

test('a waking time on a day with a skipped hour begins right after the gap, and is 23 hours long', () => {
  const berlin = timeZone('Europe/Berlin')
  const active = { fromMinute: 150, untilMinute: 240, weekdays: [0] }
  const when: WhenSpec = { calendar: null, session: null, exclude: [], active }
  const change = Date.parse('2026-03-29T01:00:00Z')
  assert.deepEqual(
    [change - 1, change].map(ms => allowedAt(when, null, berlin, ms).allowed),
    [false, true],
  )
  const day: WhenSpec = { ...when, active: { fromMinute: 0, untilMinute: 1440, weekdays: [0] } }
  const end = Date.parse('2026-03-29T22:00:00Z')
  assert.equal(allowedForMs(day, null, berlin, end - 1, 2 * DAY), 23 * HOUR - 1)
  assert.equal(allowedAt(day, null, berlin, end).allowed, false)
})
