/** The hours of a module's feeds, by the calendars and the zone that a plan brings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { XNYS } from '../../core/jobs/calendars/xnys.ts'
import type { HeartbeatSpec } from '../../core/plan.ts'
import { fakeClock } from '../../host/clock.ts'
import { feedHours } from './feed-hours.ts'
import { Voices } from './voices.ts'

const OPEN = { calendar: 'XNYS', session: 'open', exclude: [], active: null } as const
const SPEC: HeartbeatSpec = { timeoutMs: 15_000, maxDataAgeMs: 10_000, expectState: null, when: OPEN }
const PLAN = { timezone: 'Europe/Berlin', calendars: { XNYS } }
/** The first opening after New York put its clock forward, and Berlin had not. */
const OPENING = Date.parse('2026-03-09T13:30:00Z')

test('data are due for as long as the market is open, in its own zone', () => {
  const due = feedHours(PLAN)
  assert.equal(due(SPEC, OPENING - 1), 0)
  assert.equal(due(SPEC, OPENING + 3000), 3000)
  assert.ok(due(SPEC, OPENING + 3_600_000) > 10_000)
})

test('a waking time is of the zone of the fleet', () => {
  const active = { fromMinute: 480, untilMinute: 1320, weekdays: [1] }
  const due = feedHours(PLAN)
  const spec = { ...SPEC, when: { ...OPEN, calendar: null, session: null, active } }
  assert.deepEqual(
    ['06:59:59', '07:00:05', '21:00:00'].map(time => due(spec, Date.parse(`2026-03-09T${time}Z`))),
    [0, 5000, 0],
  )
})

test('without hours, without an age, and where the calendar does not say, data are always due', () => {
  const { when: _, ...always } = SPEC
  assert.equal(feedHours(PLAN)(always, OPENING - 1), Infinity)
  assert.equal(feedHours(PLAN)({ ...SPEC, maxDataAgeMs: null }, OPENING - 1), Infinity)
  assert.equal(feedHours(PLAN)(null, OPENING - 1), Infinity)
  assert.ok(feedHours({ timezone: 'UTC' })(SPEC, OPENING - 1) > 10_000, 'a plan without the calendar')
  assert.ok(feedHours(PLAN)(SPEC, Date.parse('2028-07-01T03:00:00Z')) > 10_000, 'its data have ended')
})

test('a module is not told to be stale before its market has been open for max_data_age', () => {
  const clock = fakeClock({ wallMs: OPENING - 5000 })
  const told: string[] = []
  const nothing = (): void => undefined
  const voices = new Voices({
    clock,
    tell: (_module, _runId, found, reason) => told.push(`${found}: ${reason}`),
    move: nothing,
    wasPaused: () => false,
    reconciled: nothing,
    changed: nothing,
  })
  const module = { name: 'vida', ready: { kind: 'notify' }, heartbeat: SPEC }
  voices.setPlan({ ...PLAN, modules: [module] } as unknown as Parameters<Voices['setPlan']>[0])
  voices.linkUp()
  voices.connected('vida', 'R1')
  const view = { name: 'vida', state: 'ready', run_id: 'R1', pid: 7, spares: [] }
  voices.observe(view as unknown as Parameters<Voices['observe']>[0])
  const feeds = [{ name: 'ES', last_tick_ts: OPENING - 65_000_000 }]
  for (let seq = 1; seq <= 16; seq++) {
    voices.heard('R1', 7, { type: 'heartbeat', seq, state: 'trading', feeds })
    clock.advance(1000)
  }
  assert.deepEqual(told, ['healthy: its heartbeats go on, and no data are due now'])
  voices.heard('R1', 7, { type: 'heartbeat', seq: 17, state: 'trading', feeds })
  assert.deepEqual(told.slice(1), ['stale: no data of ES for 65011 s'])
  voices.close()
})
