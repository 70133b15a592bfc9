import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverUp } from './keeper-state.ts'

test('a fleet was up once anybody said of a module that it should run, or should not', () => {
  assert.equal(neverUp({}), true)
  assert.equal(neverUp({ '@daemon': { desired: 'up' }, luka: { desired: null } }), true)
  assert.equal(neverUp({ luka: { desired: 'up' }, roko: { desired: null } }), false)
  assert.equal(neverUp({ luka: { desired: null }, roko: { desired: 'down' } }), false)
})
