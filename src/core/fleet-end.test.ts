import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleetEnd } from './fleet-end.ts'
import type { ModuleState } from './view.ts'

function end(...states: readonly ModuleState[]): ReturnType<typeof fleetEnd> {
  return fleetEnd(states.map(state => ({ state })))
}

test('a fleet of tasks is over when all are completed', () => {
  assert.equal(end('completed', 'completed'), 'good')
  assert.equal(end('completed', 'waiting'), null)
})

test('one that failed with nothing left running ends badly', () => {
  assert.equal(end('failed', 'skipped', 'completed'), 'bad')
  assert.equal(end('failed', 'ready'), null)
})

test('what an operator stopped, holds or killed can be started again, so the fleet goes on', () => {
  for (const rests of ['stopped', 'held', 'backoff'] as const) assert.equal(end('failed', rests), null)
})

test('a fleet of nothing is not over', () => assert.equal(end(), null))
