/** `calendars:` and `when:` of mark.yaml: what becomes of them, and each fault once, at its place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { XNYS } from '../../core/jobs/calendars/xnys.ts'
import { load, only, problem, request } from './fake-load.ts'
import { loadConfig } from './load.ts'
import type { Problem } from './problem.ts'

const shown = ({ line, column, message, hint }: Problem): string => `${line}:${column} ${message} | ${hint}`

/** One calendar `desk` with these keys, on line 2, and a module that names it. */
const own = (keys: string): string =>
  `calendars:\n  desk: { ${keys} }\nmodules:\n  vida:\n    command: sleep 1\n    silence: 5m\n` +
  '    heartbeat: { max_data_age: 10s, when: desk }\n'
/** A module with these hours, on line 5. */
const hours = (when: string): string =>
  'modules:\n  vida:\n    command: sleep 1\n    silence: 5m\n' +
  `    heartbeat: { max_data_age: 10s, when: ${when} }\n`

const whenOf = (text: string) => only(hours(text)).heartbeat?.when

test('a name alone is the open session of that calendar', () => {
  assert.deepEqual(whenOf('XNYS'), { calendar: 'XNYS', session: 'open', exclude: [], active: null })
  const plan = load(hours('XNYS'))
  assert.deepEqual(plan.calendars, { XNYS })
  assert.deepEqual(plan.inactive, [])
})

test('a map says calendar, session, days and waking time, each for itself', () => {
  assert.deepEqual(whenOf('{ calendar: 24x7, exclude: [2026-12-24] }'), {
    calendar: '24x7',
    session: null,
    exclude: ['2026-12-24'],
    active: null,
  })
  const active = (text: string) => whenOf(`{ active: "${text}" }`)?.active
  assert.deepEqual(active('08:00-22:00 Mon-Fri'), {
    fromMinute: 480,
    untilMinute: 1320,
    weekdays: [1, 2, 3, 4, 5],
  })
  assert.deepEqual(active('0:00-24:00'), {
    fromMinute: 0,
    untilMinute: 1440,
    weekdays: [0, 1, 2, 3, 4, 5, 6],
  })
  assert.deepEqual(active('18:00 - 17:00 Sun-Thu'), {
    fromMinute: 1080,
    untilMinute: 1020,
    weekdays: [0, 1, 2, 3, 4],
  })
  assert.deepEqual(active('22:00-06:00 fri-mon, Wed')?.weekdays, [0, 1, 3, 5, 6])
})

test('a calendar of its own adds to its base, and wins over it', () => {
  const keys = 'base: XNYS, close: "15:00", holidays: [2026-12-28], early_closes: { 2026-12-24: "12:00" }'
  const desk = load(own(keys)).calendars?.desk
  assert.equal(desk?.name, 'desk')
  assert.deepEqual([desk?.openMinute, desk?.closeMinute, desk?.validUntil], [570, 900, XNYS.validUntil])
  assert.ok(desk?.holidays.includes('2026-12-28') && desk.holidays.includes('2026-12-25'))
  assert.deepEqual([desk?.earlyCloses['2026-12-24'], desk?.earlyCloses['2026-11-27']], [720, 780])
})

test('a calendar without a base says all of itself, and the plan holds only those that are named', () => {
  const keys = 'timezone: Europe/Berlin, open: "09:00", close: "17:30", weekdays: Mon-Fri'
  assert.deepEqual(load(`${own(keys)}`).calendars, {
    desk: {
      name: 'desk',
      timezone: 'Europe/Berlin',
      weekdays: [1, 2, 3, 4, 5],
      openMinute: 540,
      closeMinute: 1050,
      holidays: [],
      earlyCloses: {},
      validFrom: null,
      validUntil: null,
    },
  })
  assert.deepEqual(
    load(`${hours('{ active: "08:00-22:00" }')}calendars: { desk: { base: XNYS } }\n`).calendars,
    {},
  )
})

const BERLIN = 'timezone: Europe/Berlin, weekdays: Mon-Fri, open: "09:00", close: "17:30"'
const REFUSED: [what: string, yaml: string, said: RegExp][] = [
  ['a calendar that nobody knows', hours('XNIS'), /^5:43 there is no calendar `XNIS` \| did you mean `XNYS`/],
  ['one in a map', hours('{ calendar: nyse }'), /^5:55 there is no calendar `nyse` \|/],
  ['a name that every object has', hours('constructor'), /^5:43 there is no calendar `constructor`/],
  [
    'hours in the place of a calendar',
    hours('"08:00-22:00"'),
    /^5:43 hours stand under `active`.*{ active: "08/,
  ],
  ['a session of no calendar', hours('{ session: open }'), /^5:54 `session` is of a calendar/],
  ['a session that is none', hours('{ calendar: XNYS, session: pre }'), /^5:70 .*one of open, closed/],
  ['a day that is none', hours('{ exclude: [2026-12-24, 2026-02-30] }'), /^5:67 "2026-02-30" is not a day/],
  ['a waking time that is none', hours('{ active: "8-22" }'), /^5:53 "8-22" is not a waking time/],
  ['a minute too late', hours('{ active: "08:00-24:01" }'), /^5:53 "08:00-24:01" is not a waking time/],
  ['a key that is none', hours('{ calender: XNYS }'), /^5:45 .*did you mean `calendar`/],
  [
    'a calendar of MARK again',
    own('base: XNYS').replaceAll('desk', 'XNYS'),
    /^2:3 MARK has a calendar `XNYS`/,
  ],
  ['a base that is none', own('base: XNIS'), /^2:17 MARK has no calendar `XNIS` \| did you mean `XNYS`/],
  ['a key of a calendar that is none', own('base: XNYS, opens: "09:00"'), /^2:23 `opens` is not a key/],
  [
    'no hours',
    own('timezone: UTC, weekdays: Mon-Fri, close: "16:00"'),
    /^2:3 it does not say its `open` .*XNYS/,
  ],
  ['a zone that is none', own(BERLIN.replace('Europe/', '')), /^2:21 "Berlin" is not a time zone/],
  ['days that are none', own('base: XNYS, weekdays: Mo-Fr'), /^2:33 "Mo-Fr" is not days of the week/],
  ['a time that is none', own('base: XNYS, open: 9.30am'), /^2:29 "9.30am" is not a time of day/],
  [
    'close before open',
    own('base: XNYS, close: "09:00"'),
    /^2:30 it closes at 09:00 and opens at 09:30 \| .*active/,
  ],
  ['open after close', own('base: XNYS, open: "17:00"'), /^2:29 it closes at 16:00 and opens at 17:00/],
  ['a holiday that is none', own('base: XNYS, holidays: [2026-13-01]'), /^2:34 "2026-13-01" is not a day/],
  [
    'an early close on no day',
    own('base: XNYS, early_closes: { soon: "13:00" }'),
    /^2:45 "soon" is not a day/,
  ],
  [
    'an early close at no time',
    own('base: XNYS, early_closes: { 2026-12-23: noon }'),
    /"noon" is not a time of day/,
  ],
  [
    'an early close before the opening',
    own('base: XNYS, early_closes: { 2026-12-23: "09:00" }'),
    /09:00 is not within 09:30-16:00/,
  ],
  [
    'an early close on a holiday',
    own('base: XNYS, early_closes: { 2026-12-25: "13:00" }'),
    /there is no session on 2026-12-25/,
  ],
  ['an end that is no day', own('base: XNYS, valid_until: 2026'), /^2:36 /],
  [
    'holidays without an end',
    own(`${BERLIN}, holidays: [2026-12-25]`),
    /^2:3 its holidays end somewhere.*valid_until/,
  ],
]

for (const [what, yaml, said] of REFUSED) {
  test(`refused: ${what}`, () => assert.match(shown(problem(yaml)), said))
}

test('warned: data that end within 60 days, or have ended, where the calendar is named', () => {
  const warnings = (yaml: string, day: string): string[] =>
    loadConfig(request(yaml, { nowMs: Date.parse(day) })).warnings.map(shown)
  assert.deepEqual(warnings(hours('XNYS'), '2027-10-01'), [])
  assert.match(
    warnings(hours('XNYS'), '2027-12-01')[0] ?? '',
    /^5:43 the data of XNYS end on 2027-12-31 \| .*update/,
  )
  assert.match(warnings(hours('XNYS'), '2028-01-02')[0] ?? '', /ended on 2027-12-31/)
  const extended = own('base: XNYS, holidays: [2028-01-17], valid_until: 2028-06-30')
  assert.deepEqual(warnings(extended, '2028-01-02'), [])
})

test('warned: hours of an age that is not asked for', () => {
  const yaml = hours('XNYS').replace('max_data_age: 10s, ', '')
  const { warnings } = loadConfig(request(yaml))
  assert.match(shown(warnings[0] as Problem), /^5:18 `when` says when max_data_age counts/)
})
