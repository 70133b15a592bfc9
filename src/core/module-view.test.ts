import assert from 'node:assert/strict'
import { test } from 'node:test'
import { moduleSpec } from '../../test/simulation/fleet-plan.ts'
import { type Child, newChild, type Run } from './child.ts'
import { moduleView } from './module-view.ts'

/** SPEC 6, `mark status --json`: every key, always. */
const KEYS = [
  ...['name', 'kind', 'state', 'reason', 'pid', 'run_id', 'started_at', 'ready_at', 'uptime_s', 'restarts'],
  ...['health', 'trading_state', 'data_age_s', 'hold', 'next_start_at', 'last_exit', 'spares', 'cpu_percent'],
  ...['memory_bytes', 'disk_bytes', 'fds', 'lock', 'fence', 'backend', 'uptime_percent_30d'],
].sort()
const NOW = { monoMs: 61_000, wallMs: 1_700_000_060_000 }
const RUN: Run = {
  id: 'R1',
  pid: 4711,
  startTime: 12,
  started: { monoMs: 1000, wallMs: 1_700_000_000_000 },
  ready: { monoMs: 2000, wallMs: 1_700_000_001_000 },
  startReason: 'boot',
  exit: null,
}

function child(over: Partial<Child> = {}): Child {
  return { ...newChild(moduleSpec('luka')), ...over }
}

test('every key is there, whether the module ever ran or not, and none is undefined', () => {
  for (const each of [child(), child({ phase: 'ready', run: RUN })]) {
    const view = moduleView(each, NOW)
    assert.deepEqual(Object.keys(view).sort(), KEYS)
    assert.ok(Object.values(view).every(value => value !== undefined))
  }
})

test('a module that never ran has no process and says so', () => {
  const view = moduleView(child(), NOW)
  assert.deepEqual([view.state, view.reason], ['stopped', 'never started'])
  const { pid, run_id, started_at, ready_at, uptime_s, last_exit } = view
  assert.deepEqual(
    { pid, run_id, started_at, ready_at, uptime_s, last_exit },
    {
      ...{ pid: null, run_id: null, started_at: null },
      ...{ ready_at: null, uptime_s: null, last_exit: null },
    },
  )
})

test('a running module shows its process; uptime counts by the clock that never jumps', () => {
  const stepped = { monoMs: NOW.monoMs, wallMs: NOW.wallMs - 86_400_000 }
  const view = moduleView(child({ phase: 'ready', run: RUN, health: 'healthy', reason: '' }), stepped)
  assert.deepEqual([view.state, view.pid, view.run_id, view.uptime_s], ['ready', 4711, 'R1', 60])
  assert.equal(view.started_at, '2023-11-14T22:13:20.000Z')
  assert.equal(view.ready_at, '2023-11-14T22:13:21.000Z')
  assert.equal(moduleView(child({ run: RUN }), { ...NOW, monoMs: 500 }).uptime_s, 0)
})

test('a process that is gone, or not there yet, is not shown as one', () => {
  const exit = { known: true, code: 1, signal: null, core: false, oom: null, evidence: 'wait' } as const
  for (const run of [
    { ...RUN, exit },
    { ...RUN, pid: null },
  ]) {
    const view = moduleView(child({ phase: 'stopping', run }), NOW)
    assert.deepEqual([view.pid, view.started_at, view.uptime_s], [null, null, null])
  }
})

test('a module that is over shows how: completed, failed or skipped', () => {
  for (const outcome of ['completed', 'failed', 'skipped'] as const)
    assert.equal(moduleView(child({ phase: 'done', outcome }), NOW).state, outcome)
})

test('a hold, the next start and spares are shown', () => {
  const view = moduleView(
    child({
      phase: 'held',
      hold: { reason: 'killed', by: 'op', atWallMs: NOW.wallMs, kill: 'K-1' },
      nextStart: { monoMs: 64_000, wallMs: NOW.wallMs + 3000 },
    }),
    NOW,
    [{ pid: 4712, run_id: 'R2' }],
  )
  const at = '2023-11-14T22:14:20.000Z'
  assert.deepEqual(view.hold, { reason: 'killed', by: 'op', at, until: null })
  assert.equal(view.next_start_at, '2023-11-14T22:14:23.000Z')
  assert.deepEqual(view.spares, [{ pid: 4712, run_id: 'R2' }])
})
