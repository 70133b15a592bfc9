import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newChild } from './child.ts'
import { type ChildrenDocument, remember } from './keeper-state.ts'
import type { ModuleSpec, Plan } from './plan.ts'
import { type DiskFacts, type LiveRun, statusFromDisk } from './status.ts'

const NOW = { monoMs: 100_000, wallMs: Date.UTC(2026, 0, 1) }
const spec = (name: string): ModuleSpec =>
  ({ name, kind: 'service', lock: null, backend: 'process' }) as ModuleSpec
const PLAN = {
  fleet: 'sipa',
  mode: 'REAL',
  autonomy: 'AUTO',
  strategy: 'RAGE',
  modules: [spec('vida'), spec('luka')],
} as unknown as Plan

const run = (module: string, id: string, role: LiveRun['role'] = 'active'): LiveRun =>
  ({ module, run_id: id, role, pid: 42, started: { monoMs: 40_000, wallMs: NOW.wallMs - 60_000 } }) as LiveRun

function children(phase: 'ready' | 'held', id: string): ChildrenDocument {
  const ready = {
    ...newChild(spec('vida')),
    phase,
    reason: 'as stored',
    run: { ...run('vida', id), id, exit: null, ready: NOW },
  }
  return {
    open: true,
    session_id: 'S1',
    children: { vida: remember(ready as never) },
    extras: [],
  } as unknown as ChildrenDocument
}

function facts(more: Partial<DiskFacts>): DiskFacts {
  return {
    plan: PLAN,
    children: null,
    live: [],
    kills: [],
    silentKeeper: null,
    fallbackName: 'dir',
    now: NOW,
    degraded: [],
    ...more,
  }
}

test('modules that live with no MARK are shown as unsupervised, with their real age', () => {
  const status = statusFromDisk(facts({ children: children('ready', 'R1'), live: [run('vida', 'R1')] }))
  assert.equal(status.state, 'unsupervised')
  assert.equal(status.keeper, null)
  assert.equal(status.session_id, 'S1')
  assert.equal(status.real_money, true)
  const vida = status.modules[0]
  assert.deepEqual(
    [vida?.name, vida?.state, vida?.pid, vida?.uptime_s, vida?.health],
    ['vida', 'ready', 42, 60, 'unknown'],
  )
  assert.equal(status.modules[1]?.state, 'stopped')
})

test('a module is never called ready on the word of a file', () => {
  const gone = statusFromDisk(facts({ children: children('ready', 'R1') })).modules[0]
  assert.deepEqual([gone?.state, gone?.pid, gone?.run_id], ['stopped', null, null])
  assert.match(gone?.reason ?? '', /gone/)
  const another = statusFromDisk(facts({ children: children('ready', 'R1'), live: [run('vida', 'R2')] }))
    .modules[0]
  assert.equal(another?.state, 'starting')
})

test('what is held stays held, and what no plan names is still shown', () => {
  const held = statusFromDisk(facts({ children: children('held', 'R1') })).modules[0]
  assert.equal(held?.state, 'held')
  const bare = statusFromDisk(facts({ plan: null, live: [run('old', 'R9')] }))
  assert.equal(bare.fleet, 'dir')
  assert.deepEqual(
    bare.modules.map(module => [module.name, module.pid]),
    [['old', 42]],
  )
})

test('a keeper that is there but mute is named', () => {
  const keeper = { pid: 7, version: '1', started_at: 'x' }
  const status = statusFromDisk(facts({ silentKeeper: keeper, live: [run('vida', 'R1')] }))
  assert.equal(status.state, 'degraded')
  assert.deepEqual(status.keeper, keeper)
  assert.ok(status.degraded.includes('the keeper does not answer'))
})
