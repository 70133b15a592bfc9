/** What heartbeats say of health: never too soon, never too late, whatever comes in whatever order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type HeartbeatWatch,
  heardBeat,
  heardPing,
  judgeHeartbeat,
  NEVER_HEARD,
  silentAtMs,
  watcherWasAway,
} from './heartbeat.ts'
import { XNYS } from './jobs/calendars/xnys.ts'
import { allowedForMs } from './jobs/when.ts'
import type { HeartbeatSpec } from './plan.ts'

const SPEC: HeartbeatSpec = { timeoutMs: 15_000, maxDataAgeMs: 60_000, expectState: 'trading' }
const PLAIN: HeartbeatSpec = { timeoutMs: 15_000, maxDataAgeMs: null, expectState: null }
const FREE = { halted: false, paused: false, connected: true, feedsDueMs: Number.POSITIVE_INFINITY }
const WALL = 1_732_300_000_000
const at = (monoMs: number) => ({ monoMs, wallMs: WALL + monoMs })
const beat = (state: string | null, ageMs: number | null | undefined = 0) => ({
  state,
  feeds: ageMs === undefined ? [] : [{ name: 'BTC', lastTickMs: ageMs === null ? null : WALL - ageMs }],
})
const heard = (state: string | null, ageMs?: number | null): HeartbeatWatch =>
  heardBeat(NEVER_HEARD, beat(state, ageMs), true, at(0))

test('who was never heard is unknown for ever, and unknown is what off says', () => {
  assert.equal(judgeHeartbeat(SPEC, NEVER_HEARD, FREE, 1e12).health, 'unknown')
  assert.equal(judgeHeartbeat(null, heard('stopped', 1e9), FREE, 1e9).health, 'unknown')
  assert.equal(judgeHeartbeat(null, heard('trading', 500), FREE, 0).tradingState, 'trading')
  assert.equal(silentAtMs(SPEC, NEVER_HEARD), null)
})

test('silence is unhealthy exactly at the timeout, and a ping is a sign of life', () => {
  const watch = heard('trading', 0)
  assert.equal(judgeHeartbeat(SPEC, watch, FREE, 14_999).health, 'healthy')
  assert.equal(judgeHeartbeat(SPEC, watch, FREE, 15_000).health, 'unhealthy')
  assert.equal(silentAtMs(SPEC, watch), 15_000)
  assert.equal(judgeHeartbeat(SPEC, heardPing(watch, 15_000), FREE, 29_999).health, 'healthy')
  const gone = judgeHeartbeat(SPEC, watch, { ...FREE, connected: false }, 15_000)
  assert.equal(gone.reason, 'no heartbeat for 15 s, and it is not connected')
})

test('a heartbeat that was said before is no sign of life', () => {
  const watch = heardBeat(heard('trading', 0), beat('trading'), false, at(10_000))
  assert.equal(judgeHeartbeat(SPEC, watch, FREE, 15_000).health, 'unhealthy')
})

test('a feed older than allowed is stale, and its name is said', () => {
  assert.equal(judgeHeartbeat(SPEC, heard('trading', 60_000), FREE, 1).health, 'healthy')
  const verdict = judgeHeartbeat(SPEC, heard('trading', 61_000), FREE, 1000)
  assert.deepEqual([verdict.health, verdict.reason], ['stale', 'no data of BTC for 61 s'])
  assert.equal(verdict.dataAgeMs, 62_000)
})

test('a feed that never ticked, and heartbeats without any feed, are as old as the first heartbeat', () => {
  for (const age of [null, undefined]) {
    const first = heard('trading', age)
    assert.equal(judgeHeartbeat(SPEC, first, FREE, 0).health, 'healthy')
    const later = heardBeat(first, beat('trading', age), true, at(60_001))
    assert.equal(judgeHeartbeat(SPEC, later, FREE, 60_001).health, 'stale')
  }
})

test('another state than the expected one is stale, unless it is on its way or MARK asked for it', () => {
  const of = (state: string | null, halted = false) =>
    judgeHeartbeat(SPEC, heard(state, 0), { ...FREE, halted }, 0).health
  assert.deepEqual(
    ['trading', 'starting', 'catching_up', 'paused', 'stopped', null].map(state => of(state)),
    ['healthy', 'healthy', 'healthy', 'stale', 'stale', 'stale'],
  )
  assert.deepEqual([of('paused', true), of('stopped', true)], ['healthy', 'healthy'])
})

test('a step of the clock forward makes data old until the next tick, never the module unhealthy', () => {
  const stepped = heardBeat(NEVER_HEARD, beat('trading', 0), true, { monoMs: 0, wallMs: WALL + 3_600_000 })
  assert.equal(judgeHeartbeat(SPEC, stepped, FREE, 0).health, 'stale')
  const back = heardBeat(NEVER_HEARD, beat('trading', 0), true, { monoMs: 0, wallMs: WALL - 3_600_000 })
  assert.equal(judgeHeartbeat(SPEC, back, FREE, 0).health, 'healthy')
})

test('a watcher that was away gives the module the time to speak up, and no more', () => {
  const watch = watcherWasAway(heard('trading', 0), SPEC, 100_000)
  assert.equal(judgeHeartbeat(SPEC, watch, FREE, 104_999).health, 'healthy')
  assert.equal(judgeHeartbeat(SPEC, watch, FREE, 105_000).health, 'unhealthy')
  assert.deepEqual(watcherWasAway(heard('trading'), SPEC, 1000), heard('trading'))
})

const step = fc.record({
  afterMs: fc.nat(20_000),
  what: fc.constantFrom('ping', 'beat', 'again', 'away'),
  state: fc.constantFrom('trading', 'paused', 'starting', null),
  ageMs: fc.option(fc.nat(120_000)),
})

test('unhealthy means exactly: a sign came, and none within the timeout; nothing else is unhealthy', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.nat(40_000), fc.boolean(), (steps, restMs, halted) => {
      let nowMs = 0
      let signMs: number | null = null
      let watch = NEVER_HEARD
      for (const { afterMs, what, state, ageMs } of steps) {
        nowMs += afterMs
        if (what === 'ping') watch = heardPing(watch, nowMs)
        else if (what === 'away') watch = watcherWasAway(watch, SPEC, nowMs)
        else watch = heardBeat(watch, beat(state, ageMs), what === 'beat', at(nowMs))
        if (what === 'ping' || what === 'beat' || (what === 'again' && signMs === null)) signMs = nowMs
        else if (what === 'away' && signMs !== null) signMs = Math.max(signMs, nowMs - 10_000)
      }
      nowMs += restMs
      const given = { ...FREE, halted }
      const { health } = judgeHeartbeat(SPEC, watch, given, nowMs)
      assert.equal(health === 'unknown', signMs === null)
      assert.equal(health === 'unhealthy', signMs !== null && nowMs - signMs >= SPEC.timeoutMs)
      const plain = judgeHeartbeat(PLAIN, watch, given, nowMs).health
      assert.ok(plain !== 'stale')
      assert.ok(health === 'stale' || plain === health)
    }),
  )
})

test('the time at which silence counts is the first at which it is unhealthy', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e7 }), fc.nat(1e7), (timeoutMs, signMs) => {
      const spec = { ...PLAIN, timeoutMs }
      const watch = heardPing(NEVER_HEARD, signMs)
      const dueMs = silentAtMs(spec, watch) as number
      assert.equal(judgeHeartbeat(spec, watch, FREE, dueMs - 1).health, 'healthy')
      assert.equal(judgeHeartbeat(spec, watch, FREE, dueMs).health, 'unhealthy')
    }),
  )
})

test('while people halt it old data is not held against it; MARK pausing it excuses only the state', () => {
  const of = (state: string, ageMs: number, given: Partial<typeof FREE>) =>
    judgeHeartbeat(SPEC, heard(state, ageMs), { ...FREE, ...given }, 0).health
  assert.equal(of('stopped', 99_000, { halted: true }), 'healthy')
  assert.equal(of('paused', 0, { paused: true }), 'healthy')
  assert.equal(of('paused', 99_000, { paused: true }), 'stale')
  assert.equal(of('stopped', 0, { paused: true }), 'stale')
  assert.equal(of('paused', 0, {}), 'stale')
})

test('a feed of New York that is silent over the night is stale only max_data_age after the opening', () => {
  const zone = { stretchAt: () => ({ fromMs: -Infinity, untilMs: Infinity, offsetMs: -4 * 3_600_000 }) }
  const when = { calendar: 'XNYS', session: 'open', exclude: [], active: null } as const
  const spec: HeartbeatSpec = { timeoutMs: 15_000, maxDataAgeMs: 10_000, expectState: null, when }
  const lastTickMs = Date.parse('2026-07-02T19:59:59Z')
  const close = Date.parse('2026-07-02T20:00:00Z')
  const open = Date.parse('2026-07-06T13:30:00Z')
  /** A heartbeat at this instant, with a feed that ticked last at the end of Thursday. */
  const healthAt = (wallMs: number): string => {
    const watch = heardBeat(NEVER_HEARD, { state: null, feeds: [{ name: 'ES', lastTickMs }] }, true, {
      monoMs: 0,
      wallMs,
    })
    const feedsDueMs = allowedForMs(when, { data: XNYS, zone }, zone, wallMs, 10_001)
    return judgeHeartbeat(spec, watch, { ...FREE, feedsDueMs }, 0).health
  }
  for (const wallMs of [close, close + 60_000, close + 86_400_000, open - 1, open, open + 10_000])
    assert.equal(healthAt(wallMs), 'healthy', new Date(wallMs).toISOString())
  assert.equal(healthAt(open + 10_001), 'stale')
  assert.equal(healthAt(Date.parse('2026-07-06T19:59:59Z')), 'stale')
  assert.equal(healthAt(Date.parse('2026-07-06T20:00:00Z')), 'healthy')
})

test('hours bound the data alone: a wrong state and silence are held against it at any time', () => {
  const night = { ...FREE, feedsDueMs: 0 }
  assert.equal(judgeHeartbeat(SPEC, heard('trading', 1e6), night, 0).health, 'healthy')
  assert.equal(judgeHeartbeat(SPEC, heard('stopped', 0), night, 0).health, 'stale')
  assert.equal(judgeHeartbeat(SPEC, heard('trading', 0), night, 15_000).health, 'unhealthy')
})
