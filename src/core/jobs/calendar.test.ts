/** When a market is open, and what is said where nobody knows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TimeZone } from '../cron-instants.ts'
import { type Calendar, endOfData, isTradingDay, sessionAt, sessionOf } from './calendar.ts'
import { KNOWN_CALENDARS } from './calendars/known-calendars.ts'
import { XNYS } from './calendars/xnys.ts'

/** A zone without clock changes; New York's summer is -4. */
const fixed = (hours: number): TimeZone => ({
  stretchAt: () => ({ fromMs: -Infinity, untilMs: Infinity, offsetMs: hours * 3_600_000 }),
})
const summer: Calendar = { data: XNYS, zone: fixed(-4) }
const winter: Calendar = { data: XNYS, zone: fixed(-5) }
const always: Calendar = { data: KNOWN_CALENDARS['24x7'] as Calendar['data'], zone: fixed(0) }
const ms = (text: string): number => Date.parse(text)

test('a session is from the opening to the closing, without the closing itself', () => {
  const session = { openMs: ms('2026-07-02T13:30:00Z'), closeMs: ms('2026-07-02T20:00:00Z') }
  assert.deepEqual(sessionOf(summer, '2026-07-02'), session)
  const at = [session.openMs - 1, session.openMs, session.closeMs - 1, session.closeMs]
  assert.deepEqual(
    at.map(one => sessionAt(summer, one)),
    [null, session, session, null],
  )
})

test('holidays, weekends and days of mourning have no session, half days end at 13:00', () => {
  for (const day of ['2026-07-03', '2026-07-04', '2018-12-05', '2025-01-09', '2022-06-20', '2021-12-24'])
    assert.equal(sessionOf(summer, day), null, day)
  for (const day of ['2021-06-18', '2021-12-31', '2026-12-31'])
    assert.equal(isTradingDay(XNYS, day), true, day)
  assert.deepEqual(sessionOf(winter, '2026-12-24'), {
    openMs: ms('2026-12-24T14:30:00Z'),
    closeMs: ms('2026-12-24T18:00:00Z'),
  })
})

test('beyond its data it is unknown, not closed', () => {
  assert.equal(sessionOf(winter, '2028-01-03'), 'unknown')
  assert.equal(sessionOf(winter, '2014-12-31'), 'unknown')
  assert.equal(sessionAt(winter, ms('2028-01-03T15:00:00Z')), 'unknown')
})

test('a market that never closes is open at any time', () => {
  for (const moment of ['1999-12-31T23:59:59Z', '2000-01-01T00:00:00Z', '2026-12-25T12:00:00Z']) {
    const session = sessionAt(always, ms(moment))
    assert.ok(session !== null && session !== 'unknown', moment)
  }
})

test('the end of the data is told 60 days before', () => {
  const told = ['2027-10-31', '2027-11-01', '2027-12-31', '2028-01-01'].map(day =>
    endOfData(winter, ms(`${day}T12:00:00Z`)),
  )
  assert.deepEqual(told, [null, 'soon', 'soon', 'ended'])
  assert.equal(endOfData(always, ms('2999-01-01T00:00:00Z')), null)
})

test('the calendars go into a plan and come back as they were', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(KNOWN_CALENDARS)), KNOWN_CALENDARS)
})
