import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { moduleSpec, plan } from '../../test/simulation/fleet-plan.ts'
import { canonical, difference, type ModuleSpec, realMoney } from './plan.ts'

/** Another value for every field, and what its change costs the running module. */
const OTHER: {
  readonly [K in Exclude<keyof ModuleSpec, 'name'>]: [ModuleSpec[K], 'restart' | 'update', string]
} = {
  kind: ['task', 'restart', 'kind changed'],
  argv: [['false'], 'restart', 'argv changed'],
  workingDir: ['/tmp', 'restart', 'working_dir changed'],
  environment: [{ PAIR: 'BTC/EUR' }, 'restart', 'environment changed'],
  envFiles: [['/etc/luka.env'], 'restart', 'env_files changed'],
  envDigest: ['ab12', 'restart', 'env_digest changed'],
  secrets: [['KEY'], 'restart', 'secrets changed'],
  user: ['mark', 'restart', 'user changed'],
  umask: ['077', 'restart', 'umask changed'],
  ulimits: [{ nofile: 4096 }, 'restart', 'ulimits changed'],
  limits: [{ ...moduleSpec('x').limits, pids: 9 }, 'restart', 'limits changed'],
  dependsOn: [[{ name: 'roko', condition: 'ready' }], 'update', 'depends_on changed'],
  ready: [{ kind: 'delay', delayMs: 1 }, 'update', 'ready changed'],
  health: [
    {
      probe: { kind: 'tcp', host: '127.0.0.1', port: 1 },
      intervalMs: 1,
      timeoutMs: 1,
      failures: 1,
      startPeriodMs: 1,
      action: 'alert',
    },
    'update',
    'health changed',
  ],
  watchdogMs: [1, 'restart', 'watchdog_ms changed'],
  heartbeat: [{ timeoutMs: 1, maxDataAgeMs: 1, expectState: 'trading' }, 'update', 'heartbeat changed'],
  silenceMs: [1, 'update', 'silence_ms changed'],
  recover: [{ argv: ['x'], timeoutMs: 1 }, 'update', 'recover changed'],
  restart: [{ ...moduleSpec('x').restart, delayMs: 1 }, 'update', 'restart changed'],
  stop: [{ ...moduleSpec('x').stop, graceMs: 1 }, 'update', 'stop changed'],
  log: [{ ...moduleSpec('x').log, keep: 9 }, 'update', 'log changed'],
  lock: ['kraken:main', 'restart', 'lock changed'],
  backend: ['systemd', 'restart', 'backend changed'],
  preset: ['freqtrade', 'restart', 'preset changed'],
}

for (const [field, [value, change, reason]] of Object.entries(OTHER)) {
  test(`another ${field} means ${change} for its module, and nothing for any other`, () => {
    const before = plan([moduleSpec('luka'), moduleSpec('roko')])
    const after = plan([moduleSpec('luka', { [field]: value }), moduleSpec('roko')])
    assert.deepEqual(difference(before, after), [
      { module: 'luka', change, reason },
      { module: 'roko', change: 'keep', reason: 'unchanged' },
    ])
  })
}

test('of several changed fields those that cost the process are the reason of a restart', () => {
  const after = moduleSpec('luka', { umask: '077', lock: 'kraken:main', silenceMs: 1 })
  assert.deepEqual(difference(plan([moduleSpec('luka')]), plan([after])), [
    { module: 'luka', change: 'restart', reason: 'umask, lock changed' },
  ])
})

test('a first plan starts all; what is gone comes last, and a renamed module is one gone and one new', () => {
  const first = plan([moduleSpec('luka'), moduleSpec('roko')])
  assert.deepEqual(
    difference(null, first).map(each => each.change),
    ['start', 'start'],
  )
  assert.deepEqual(difference(first, plan([moduleSpec('luca'), moduleSpec('roko')])), [
    { module: 'luca', change: 'start', reason: 'new' },
    { module: 'roko', change: 'keep', reason: 'unchanged' },
    { module: 'luka', change: 'stop', reason: 'removed from the config' },
  ])
})

test('neither the order of keys, nor of modules, nor what MARK took from the caller is a change', () => {
  const before = plan([moduleSpec('luka', { environment: { A: '1', B: '2' } }), moduleSpec('roko')])
  const after = plan([moduleSpec('roko'), moduleSpec('luka', { environment: { B: '2', A: '1' } })], {
    baseEnvironment: { PATH: '/elsewhere' },
    retention: { eventsMs: 1, samplesMs: 1, logsMs: 1 },
  })
  assert.deepEqual(
    difference(before, after).map(each => each.change),
    ['keep', 'keep'],
  )
})

test('a plan that came back from disk is no change', () => {
  const fleet = plan([moduleSpec('luka'), moduleSpec('roko', { lock: 'kraken:main' })])
  const loaded = JSON.parse(JSON.stringify(fleet)) as typeof fleet
  assert.ok(difference(fleet, loaded).every(each => each.change === 'keep'))
})

test('equal values give equal text, whatever the order of their keys, and others do not', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      assert.equal(canonical(reversed(a)), canonical(a))
      assert.equal(canonical(a) === canonical(b), isSame(a, b))
    }),
  )
})

test('only REAL without VIRTUAL is real money', () => {
  assert.equal(realMoney({ mode: 'REAL', autonomy: 'AUTO' }), true)
  assert.equal(realMoney({ mode: 'REAL', autonomy: 'MANUAL' }), true)
  assert.equal(realMoney({ mode: 'REAL', autonomy: 'VIRTUAL' }), false)
  assert.equal(realMoney({ mode: 'TEST', autonomy: 'AUTO' }), false)
  assert.equal(realMoney({ mode: 'DEBUG', autonomy: 'AUTO' }), false)
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  )
}

function isSame(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)))
    return true
  } catch {
    return false
  }
}
