import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModuleView, StatusDocument } from '../core/view.ts'
import { FleetView, type RunVoice } from './fleet-view.ts'

const VOICE: RunVoice = {
  health: 'healthy',
  reason: 'its heartbeats go on',
  tradingState: 'trading',
  dataAgeMs: 1234,
  degraded: null,
}

function shown(
  voice: RunVoice | null,
  over: Partial<ModuleView> = {},
  paused: string | null = null,
): ModuleView {
  const view = new FleetView({
    resources: () => ({ cpuPercent: null, memoryBytes: null, diskBytes: null, fds: null }),
    fingerprint: () => null,
    uptimePercent: () => null,
    voice: () => voice,
    paused: () => paused,
    jobs: () => [],
    degraded: () => [],
    nowMs: () => 0,
  })
  const module = {
    ...{ name: 'vida', state: 'ready', health: 'healthy', reason: '', pid: 7, run_id: 'R1' },
    ...{ trading_state: null, data_age_s: null, uptime_s: null, last_exit: null, ...over },
  }
  view.replace({ modules: [module] } as unknown as StatusDocument)
  return view.module('vida') as ModuleView
}

const facts = ({ health, reason, trading_state, data_age_s }: ModuleView): unknown[] => [
  ...[health, reason, trading_state, data_age_s],
]

test('what a run says of itself is shown beside what the keeper knows', () => {
  assert.deepEqual(facts(shown(VOICE)), ['healthy', '', 'trading', 1.2])
  assert.deepEqual(facts(shown(null)), ['healthy', '', null, null])
  assert.equal(shown({ ...VOICE, degraded: 'one venue is away' }).reason, 'degraded: one venue is away')
})

test('stale is shown over healthy and never over unhealthy, and the keeper has the first word on why', () => {
  const stale: RunVoice = { ...VOICE, health: 'stale', reason: 'no data of BTC for 61 s' }
  assert.deepEqual(facts(shown(stale)).slice(0, 2), ['stale', 'no data of BTC for 61 s'])
  assert.equal(shown(stale, { health: 'unhealthy' }).health, 'unhealthy')
  assert.equal(shown(stale, { reason: 'trading BTC/EUR' }).reason, 'trading BTC/EUR')
  assert.equal(shown(stale, { state: 'stopping' }).health, 'healthy')
})

test('nothing that a run said outlives it', () => {
  assert.deepEqual(facts(shown(VOICE, { pid: null })), ['healthy', '', null, null])
})

test('who paused it is shown beside what is amiss, and of a module without a process nothing is', () => {
  const by = 'paused by ann: a look'
  assert.equal(shown(VOICE, {}, by).reason, by)
  assert.equal(shown(null, {}, by).reason, by)
  assert.equal(shown({ ...VOICE, degraded: 'slow' }, {}, by).reason, `degraded: slow; ${by}`)
  assert.equal(shown(VOICE, { pid: null }, by).reason, '')
})
