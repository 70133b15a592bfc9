import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSettled, downSettled, upSettled } from './settle.ts'
import type { ModuleState, ModuleView } from './view.ts'

function view(state: ModuleState, more: Partial<ModuleView> = {}): ModuleView {
  return { name: 'm', state, run_id: 'R1', pid: null, ...more } as ModuleView
}

test('up is over when a module is ready or completed, or can no longer become so by itself', () => {
  assert.equal(upSettled(view('ready')), 'good')
  assert.equal(upSettled(view('completed')), 'good')
  for (const state of ['failed', 'held', 'skipped', 'stopped'] as const)
    assert.equal(upSettled(view(state)), 'bad')
  for (const state of ['waiting', 'starting', 'backoff', 'stopping'] as const)
    assert.equal(upSettled(view(state)), 'pending')
})

test('a restart is not over while the old run is still the ready one', () => {
  assert.equal(upSettled(view('ready'), 'R1'), 'pending')
  assert.equal(upSettled(view('ready', { run_id: 'R2' }), 'R1'), 'good')
})

test('down is over only when no process is left and none is due', () => {
  assert.equal(downSettled(view('stopped')), 'good')
  assert.equal(downSettled(view('held', { pid: 7 })), 'pending')
  assert.equal(downSettled(view('backoff')), 'pending')
  assert.equal(downSettled(undefined), 'good')
})

test('one that is pending keeps all waiting, also when another failed already', () => {
  assert.equal(allSettled(['bad', 'pending']), 'pending')
  assert.equal(allSettled(['bad', 'good']), 'bad')
  assert.equal(allSettled([]), 'good')
})
