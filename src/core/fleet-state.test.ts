import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleetState } from './fleet-state.ts'
import type { ModuleState } from './view.ts'

function stateOf(...states: ModuleState[]): string {
  return fleetState(states.map(state => ({ state, health: 'unknown' })))
}

test('a fleet is stopped when nothing lives or will by itself', () => {
  assert.equal(stateOf(), 'stopped')
  assert.equal(stateOf('stopped', 'completed', 'failed', 'skipped', 'held'), 'stopped')
})

test('one ill module makes a living fleet degraded, whatever else is on its way', () => {
  for (const ill of ['backoff', 'held', 'failed', 'skipped'] as const) {
    assert.equal(stateOf('ready', ill), 'degraded', ill)
    assert.equal(stateOf('starting', ill), 'degraded', ill)
  }
  assert.equal(stateOf('backoff'), 'degraded')
  assert.equal(fleetState([{ state: 'ready', health: 'unhealthy' }]), 'degraded')
})

test('a fleet is starting until the last module is ready, then up', () => {
  assert.equal(stateOf('ready', 'starting'), 'starting')
  assert.equal(stateOf('ready', 'waiting'), 'starting')
  assert.equal(stateOf('ready', 'ready'), 'up')
})

test('what was stopped by an operator or is completed does not make a fleet ill', () => {
  assert.equal(stateOf('ready', 'stopped', 'completed'), 'up')
  assert.equal(stateOf('ready', 'stopping'), 'up')
})
