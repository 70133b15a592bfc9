import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { moduleSpec } from '../../test/simulation/fleet-plan.ts'
import { type Child, type ChildEvent, type Effect, newChild, type Run, stateOf } from './child.ts'
import { step } from './child-step.ts'
import type { Exit } from './exit.ts'
import type { ModuleSpec } from './plan.ts'

const at = (monoMs: number) => ({ monoMs, wallMs: 1_700_000_000_000 + monoMs })
const run = (id: string, monoMs = 0): Run => ({
  id,
  pid: 7,
  startTime: 9,
  started: at(monoMs),
  ready: null,
  startReason: 'boot',
  exit: null,
})
const code = (number: number): Exit => ({
  known: true,
  code: number,
  signal: null,
  core: null,
  oom: null,
  evidence: 'wait',
})

/** A child driven by events; collects what it wants done. */
class Driver {
  child: Child
  nowMs = 0
  effects: Effect[] = []
  constructor(over: Partial<ModuleSpec> = {}) {
    this.child = newChild(moduleSpec('vida', over))
  }
  feed(...events: ChildEvent[]): Effect[] {
    const all: Effect[] = []
    for (const event of events) {
      const [next, effects] = step(this.child, event, at(this.nowMs), 0.5)
      this.child = next
      all.push(...effects)
    }
    this.effects.push(...all)
    return all
  }
  ready(): this {
    this.feed(
      { kind: 'start', why: 'boot', by: 'op' },
      { kind: 'go' },
      { kind: 'spawned', run: run('R1', this.nowMs) },
      { kind: 'ready', by: 'notify' },
    )
    return this
  }
  die(exit: Exit, latched: string | null = null): Effect[] {
    return this.feed({ kind: 'exited', exit, latched }, { kind: 'swept', latched })
  }
  get wants(): string[] {
    return this.effects.map(effect => (effect.do === 'note' ? `note ${effect.kind}` : effect.do))
  }
}

const STOP: ChildEvent = { kind: 'stop', then: { kind: 'rest', stays: true }, by: 'op', why: 'stopped by op' }

test('a service is started, becomes ready, and comes back after a crash with its delay', () => {
  const vida = new Driver().ready()
  assert.equal(stateOf(vida.child), 'ready')
  vida.nowMs = 5000
  const effects = vida.die(code(3))
  assert.equal(vida.child.phase, 'backoff')
  assert.equal(vida.child.wakeAtMs, 6000)
  assert.ok(
    effects.some(effect => effect.do === 'sweep' && effect.kill),
    'a crash sweeps what it left',
  )
  assert.equal(vida.child.lastExit?.code, 3)
  vida.nowMs = 6000
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'waiting')
  vida.feed({ kind: 'go' })
  assert.deepEqual([vida.child.restarts, vida.child.nextWhy], [1, 'crash'])
})

test('with delay 0 the restart waits for no timer', () => {
  const restart = { ...moduleSpec('x').restart, delayMs: 0 }
  const vida = new Driver({ restart }).ready()
  vida.die(code(1))
  assert.equal(vida.child.phase, 'waiting')
})

test('nothing is started before what the last run left is gone', () => {
  const vida = new Driver({ restart: { ...moduleSpec('x').restart, delayMs: 0 } }).ready()
  vida.feed({ kind: 'exited', exit: code(1), latched: null }, { kind: 'go' }, { kind: 'woke' })
  assert.equal(vida.wants.filter(want => want === 'spawn').length, 1)
  vida.feed({ kind: 'swept', latched: null })
  assert.equal(vida.child.phase, 'waiting')
})

test('a stop sends its signal, waits for its grace, then kills', () => {
  const vida = new Driver().ready()
  vida.feed(STOP)
  assert.ok(vida.wants.includes('signal'))
  vida.nowMs = 4999
  vida.feed({ kind: 'woke' })
  assert.ok(!vida.wants.includes('kill'))
  vida.nowMs = 5000
  vida.feed({ kind: 'woke' })
  assert.ok(vida.wants.includes('kill'))
  vida.die({ ...code(0), code: null, signal: 'SIGKILL' })
  assert.deepEqual(
    [stateOf(vida.child), vida.child.desired, vida.child.lastExit?.signal],
    ['stopped', 'down', 'SIGKILL'],
  )
})

test('a stop during the back-off cancels the restart', () => {
  const vida = new Driver().ready()
  vida.die(code(1))
  vida.feed(STOP)
  vida.nowMs = 1e9
  vida.feed({ kind: 'woke' }, { kind: 'go' })
  assert.equal(vida.child.phase, 'stopped')
  assert.equal(vida.wants.filter(want => want === 'spawn').length, 1)
})

test('what is never restarted ends with 75 too: for a job, `retry` says what follows', () => {
  const restart = { ...moduleSpec('vida', {}).restart, policy: 'never' as const, maxDelayMs: 0 }
  const driver = new Driver({ kind: 'task', restart }).ready()
  driver.die(code(75))
  assert.equal(stateOf(driver.child), 'failed')
  assert.equal(driver.child.wakeAtMs, null)
})

test('a restart of its group never beats a stop under way', () => {
  const vida = new Driver().ready()
  vida.feed(STOP, {
    kind: 'stop',
    then: { kind: 'start', why: 'crash' },
    by: 'group',
    why: 'its group failed',
  })
  vida.die(code(0))
  assert.equal(vida.child.phase, 'stopped')
})

test('an operator who asks for a start during the stop gets it', () => {
  const vida = new Driver().ready()
  vida.feed(STOP, { kind: 'start', why: 'operator', by: 'op' })
  vida.die(code(0))
  assert.deepEqual([vida.child.phase, vida.child.desired], ['waiting', 'up'])
})

test('a kill holds in every phase, and only a release ends it', () => {
  const hold = { reason: 'killed', by: 'op', atWallMs: 0, kill: 'K-1' }
  const vida = new Driver().ready()
  vida.feed({ kind: 'hold', hold })
  vida.die(code(0))
  assert.equal(vida.child.phase, 'held')
  vida.feed({ kind: 'start', why: 'operator', by: 'op' }, { kind: 'go' }, { kind: 'woke' })
  assert.equal(vida.child.phase, 'held')
  vida.feed({ kind: 'unhold', by: 'op', start: false })
  assert.equal(vida.child.phase, 'stopped')
})

test('the hooks of a stop run before the signal and after the end', () => {
  const stop = { ...moduleSpec('x').stop, before: ['cancel'], verify: ['flat'] }
  const vida = new Driver({ stop }).ready()
  vida.effects = []
  vida.feed(STOP, { kind: 'hooked', hook: 'before', ok: true, reason: '' })
  vida.die(code(0))
  assert.equal(vida.child.phase, 'stopping')
  vida.feed({ kind: 'hooked', hook: 'verify', ok: false, reason: '2 orders open' })
  const order = vida.wants.filter(want => !want.startsWith('note'))
  assert.deepEqual(order, ['hook', 'signal', 'sweep', 'hook'])
  assert.match(vida.child.reason, /orders unverified: 2 orders open/)
})

test('a bot that pings its watchdog stays unhealthy until its health question is answered well', () => {
  const probe = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const
  const asked = { intervalMs: 1, timeoutMs: 1, failures: 1, startPeriodMs: 0 }
  const vida = new Driver({ watchdogMs: 3000, health: { ...asked, probe, action: 'alert' } }).ready()
  vida.feed({ kind: 'health', health: 'unhealthy', reason: 'STOPPED' }, { kind: 'pinged' })
  assert.equal(vida.child.health, 'unhealthy')
  vida.feed({ kind: 'health', health: 'healthy', reason: 'RUNNING' }, { kind: 'pinged' })
  assert.equal(vida.child.health, 'healthy')
})

test('a module that misses its watchdog is stopped and counted as failed, once the first ping came', () => {
  const vida = new Driver({ watchdogMs: 1000 }).ready()
  vida.nowMs = 10_000
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'ready')
  vida.feed({ kind: 'pinged' })
  vida.nowMs = 11_000
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'stopping')
  vida.die(code(0))
  assert.deepEqual([vida.child.phase, vida.child.nextWhy], ['backoff', 'health'])
})

test('EXTEND_TIMEOUT_USEC moves the deadline of a start', () => {
  const vida = new Driver()
  vida.feed({ kind: 'start', why: 'boot', by: 'op' }, { kind: 'go' }, { kind: 'spawned', run: run('R1') })
  vida.nowMs = 59_000
  vida.feed({ kind: 'extend', ms: 30_000 })
  vida.nowMs = 60_000
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'starting')
  vida.nowMs = 89_000
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'stopping')
})

test('recovery runs before a restart that health asked for', () => {
  const vida = new Driver({ recover: { argv: ['fix'], timeoutMs: 1000 } }).ready()
  vida.feed({ kind: 'health', health: 'unhealthy', reason: 'no answer' })
  vida.die(code(0))
  assert.ok(vida.wants.includes('hook'))
  vida.nowMs = 50
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'backoff')
  vida.feed({ kind: 'hooked', hook: 'recover', ok: true, reason: '' })
  vida.nowMs = 2000
  vida.feed({ kind: 'woke' })
  assert.equal(vida.child.phase, 'waiting')
})

test('a shortage at the start is tried again and never counted', () => {
  const vida = new Driver({
    restart: { ...moduleSpec('x').restart, budget: [{ count: 1, windowMs: 1e9 }], whenSpent: 'hold' },
  })
  for (let round = 0; round < 20; round++) {
    vida.feed(
      { kind: 'start', why: 'crash', by: 'x' },
      { kind: 'go' },
      { kind: 'refused', why: 'EMFILE', transient: true },
    )
    assert.equal(vida.child.phase, 'backoff')
    assert.equal(vida.child.restarts, 0)
    vida.nowMs += 1000
    vida.feed({ kind: 'woke' })
  }
})

test('the same refusal is told once, another one anew, and all again after a start', () => {
  const vida = new Driver()
  const refused = (why: string): number => {
    const before = vida.wants.filter(want => want === 'note start_refused').length
    vida.feed(
      { kind: 'start', why: 'crash', by: 'x' },
      { kind: 'go' },
      { kind: 'refused', why, transient: true },
    )
    vida.nowMs += 1000
    vida.feed({ kind: 'woke' })
    return vida.wants.filter(want => want === 'note start_refused').length - before
  }
  assert.deepEqual([refused('held by a'), refused('held by a'), refused('held by b')], [1, 0, 1])
  vida.feed({ kind: 'start', why: 'crash', by: 'x' }, { kind: 'go' })
  vida.feed({ kind: 'spawned', run: run('R') }, { kind: 'exited', exit: code(1), latched: null })
  vida.feed({ kind: 'swept', latched: null })
  vida.nowMs += 100_000
  vida.feed({ kind: 'woke' })
  assert.equal(refused('held by b'), 1)
})

const events: fc.Arbitrary<ChildEvent> = fc.oneof(
  fc.constantFrom<ChildEvent>(
    { kind: 'start', why: 'operator', by: 'op' },
    { kind: 'go' },
    { kind: 'block', reason: 'b' },
    { kind: 'skip', reason: 's' },
    { kind: 'ready', by: 'x' },
    { kind: 'unready', reason: 'u' },
    { kind: 'pinged' },
    { kind: 'extend', ms: 500 },
    STOP,
    { kind: 'stop', then: { kind: 'start', why: 'crash' }, by: 'group', why: 'g' },
    { kind: 'signalled' },
    { kind: 'hurry' },
    { kind: 'hold', hold: { reason: 'h', by: 'op', atWallMs: 0, kill: null } },
    { kind: 'hold', hold: { reason: 'k', by: 'op', atWallMs: 0, kill: 'K-1' } },
    { kind: 'unhold', by: 'op', start: true },
    { kind: 'woke' },
    { kind: 'swept', latched: null },
    { kind: 'health', health: 'unhealthy', reason: 'x' },
    { kind: 'health', health: 'healthy', reason: 'x' },
    { kind: 'hooked', hook: 'before', ok: true, reason: '' },
    { kind: 'hooked', hook: 'verify', ok: true, reason: '' },
    { kind: 'hooked', hook: 'recover', ok: false, reason: '' },
    { kind: 'refused', why: 'w', transient: true },
  ),
  fc
    .integer({ min: 0, max: 255 })
    .map<ChildEvent>(number => ({ kind: 'exited', exit: code(number), latched: null })),
)

test('whatever happens: no second run beside a live one, no spawn from a stop or hold until a start', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(events, fc.nat(3000)), { maxLength: 120 }), life => {
      const stop = { ...moduleSpec('x').stop, before: ['cancel'], verify: ['flat'] }
      const vida = new Driver({
        stop,
        watchdogMs: 2000,
        recover: { argv: ['r'], timeoutMs: 1 },
        health: null,
      })
      let runs = 0
      let live = false
      let allowed = false
      for (const [event, passMs] of life) {
        vida.nowMs += passMs
        if (event.kind === 'exited' && live) live = false
        if (event.kind === 'start' || event.kind === 'unhold') allowed = true
        const idleStop = event.kind === 'stop' && event.then.kind === 'rest'
        const effects = vida.feed(event)
        if (idleStop || event.kind === 'hold') allowed = false
        for (const effect of effects) {
          if (effect.do !== 'spawn') continue
          assert.ok(!live, 'a second run was started beside a live one')
          assert.ok(allowed, 'a stop or a hold was followed by a spawn that nobody asked for')
          live = true
          vida.feed({ kind: 'spawned', run: run(`R${++runs}`, vida.nowMs) })
        }
        assert.equal(vida.child.phase === 'stopping', vida.child.stopping !== null)
      }
    }),
    { numRuns: 2000 },
  )
})

test('stale is told once with an alert, a watchdog does not make it well, and fresh ends it', () => {
  const vida = new Driver({ watchdogMs: 1000 }).ready()
  vida.feed({ kind: 'health', health: 'stale', reason: 'old data' })
  vida.feed({ kind: 'health', health: 'stale', reason: 'old data' })
  vida.feed({ kind: 'pinged' })
  assert.equal(vida.child.health, 'stale')
  vida.feed({ kind: 'health', health: 'healthy', reason: 'it goes on' })
  assert.deepEqual(vida.wants.slice(-3), ['note stale', 'note alert', 'note fresh'])
})

test('a rung of the ladder recovers without ending the run, or restarts it', () => {
  const vida = new Driver({ recover: { argv: ['fix'], timeoutMs: 1000 } }).ready()
  vida.feed({ kind: 'health', health: 'stale', reason: 'old data' })
  vida.feed({ kind: 'health', health: 'stale', reason: 'old data', move: 'recover' })
  assert.equal(vida.child.recovering, true)
  vida.feed({ kind: 'hooked', hook: 'recover', ok: false, reason: 'exit 1' })
  assert.deepEqual([vida.child.phase, vida.child.health, vida.child.recovering], ['ready', 'stale', false])
  vida.feed({ kind: 'health', health: 'stale', reason: 'old data', move: 'restart' })
  assert.deepEqual([vida.child.phase, vida.child.stopping?.then.kind], ['stopping', 'fail'])
})
