import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoryLife } from '../../test/stories/story-life.ts'
import { MarkError } from '../core/errors.ts'
import { type Applied, type Application, applyPlan } from './apply.ts'

/** A fleet of three in which luka and roko are ready and dabi, which needs luka, is starting. */
function fleet(): StoryLife {
  const life = new StoryLife()
  return tell(life, [
    'module luka ready=notify',
    'module roko ready=notify',
    'module dabi after=luka',
    'up',
    'ready luka',
    'ready roko',
  ])
}

function tell(life: StoryLife, lines: readonly string[]): StoryLife {
  for (const line of lines) life.run(line)
  return life
}

function apply(life: StoryLife, only: Application['only'] = null): Applied {
  assert.ok(life.keeper)
  return applyPlan(life.keeper.engine, { plan: life.fleet.plan(), only, by: 'op' })
}

function refused(life: StoryLife, code: string, only: Application['only'] = null): void {
  assert.throws(
    () => apply(life, only),
    error => error instanceof MarkError && error.code === code,
  )
}

/** Everything that an application could touch. */
function everything(life: StoryLife): unknown {
  const { host, keeper } = life
  const { plan, children, runs, journal } = host
  return structuredClone({
    plan,
    children,
    runs: [...runs],
    events: journal.length,
    alive: [...host.processes.values()].filter(process => process.alive).map(process => process.pid),
    engine: [...(keeper?.engine.children ?? [])].map(([name, child]) => [name, child]),
  })
}

function pids(life: StoryLife): Record<string, number | null> {
  const entries = life.fleet.names.map(name => [
    name,
    life.keeper?.engine.children.get(name)?.run?.pid ?? null,
  ])
  return Object.fromEntries(entries) as Record<string, number | null>
}

function stateOf(life: StoryLife, name: string): string | undefined {
  return life.keeper?.engine.children.get(name)?.phase
}

test('one refusal touches nothing: no plan, no child, no process, no event', () => {
  const life = tell(fleet(), ['kill module:roko'])
  tell(life, ['module luka environment.PAIR=ETH/EUR', 'module nana', 'remove dabi'])
  const before = everything(life)
  refused(life, 'MARK_LATCHED')
  refused(life, 'MARK_NO_SUCH_MODULE', ['luka', 'lukas'])
  refused(life, 'MARK_NO_SUCH_MODULE', ['dabi'])
  assert.deepEqual(everything(life), before)
})

test('a latch refuses only what it covers: the rest of the fleet may be started', () => {
  const life = tell(fleet(), ['kill module:roko', 'stop luka'])
  assert.deepEqual(apply(life, ['luka']).targets, ['luka'])
  assert.equal(stateOf(life, 'luka'), 'starting')
})

test('a latch on what a module depends on refuses the module as well', () => {
  const life = tell(fleet(), ['stop dabi', 'kill module:luka'])
  refused(life, 'MARK_LATCHED', ['dabi'])
})

test('a kill that was tripped behind the keeper is seen before anything is started', () => {
  const life = fleet()
  const at = new Date(life.host.wallMs).toISOString()
  life.host.kills.push({
    id: 'K-9',
    level: 'halt',
    scope: 'all',
    reason: null,
    by: 'cli',
    at,
    complete: false,
  })
  refused(life, 'MARK_LATCHED')
})

test('one of ten modules changed is one restart, and nine keep their process', () => {
  const names = Array.from({ length: 10 }, (_, index) => `m${index}`)
  const life = new StoryLife()
  tell(life, [
    ...names.map(name => `module ${name} ready=notify`),
    'up',
    ...names.map(name => `ready ${name}`),
  ])
  const before = pids(life)
  life.run('module m4 ready=notify environment.PAIR=ETH/EUR')
  const told = life.run('up').join('\n')
  const after = pids(life)
  assert.deepEqual(
    names.filter(name => before[name] !== after[name]),
    ['m4'],
  )
  assert.match(told, /plan_applied by=op m4:restart\(environment changed\)/)
  assert.equal(told.match(/^started /gm)?.length, 1)
})

test('a change that needs no new process takes effect in the running one', () => {
  const life = fleet()
  const before = pids(life)
  tell(life, ['module roko ready=notify restart.delay=42s', 'up'])
  assert.deepEqual(pids(life), before)
  assert.match(life.run('crash roko 1').join('\n'), /backoff roko delay_ms=42000/)
})

test('what an operator stopped stays stopped and is named, but for a call that names it', () => {
  const life = tell(fleet(), ['stop roko'])
  const all = apply(life)
  assert.deepEqual(all.left, [
    { module: 'roko', reason: 'stopped by an operator; `mark start roko` starts it' },
  ])
  assert.ok(!all.targets.includes('roko'))
  assert.equal(stateOf(life, 'roko'), 'stopped')
  assert.deepEqual(apply(life, ['roko']).left, [])
  assert.equal(stateOf(life, 'roko'), 'starting')
})

test('a held module is left alone, even by a call that names it', () => {
  const life = tell(fleet(), ['hold roko'])
  for (const only of [null, ['roko']])
    assert.deepEqual(apply(life, only).left, [{ module: 'roko', reason: 'held: hold asked by op' }])
  assert.equal(stateOf(life, 'roko'), 'held')
})

test('a removed module is stopped and then forgotten; without a process it is forgotten at once', () => {
  const life = tell(fleet(), ['deaf roko', 'remove roko', 'up'])
  assert.equal(stateOf(life, 'roko'), 'stopping')
  tell(life, ['advance 31s'])
  assert.equal(life.keeper?.engine.children.has('roko'), false)
  assert.equal(life.host.living('roko').length, 0)
  tell(life, ['stop dabi', 'remove dabi', 'up'])
  assert.equal(life.keeper?.engine.children.has('dabi'), false)
})

test('a removed module that comes back is started, whoever stopped it before', () => {
  const life = tell(fleet(), ['stop roko', 'remove roko', 'up', 'module roko ready=notify', 'up'])
  assert.equal(stateOf(life, 'roko'), 'starting')
})

test('`only` starts what the modules depend on, stopped or not, and nothing else', () => {
  const life = new StoryLife()
  tell(life, ['module luka ready=notify', 'module roko', 'module dabi after=luka'])
  const applied = apply(life, ['dabi'])
  assert.deepEqual(applied.targets, ['luka', 'dabi'])
  assert.deepEqual([stateOf(life, 'luka'), stateOf(life, 'dabi')], ['starting', 'waiting'])
  assert.equal(stateOf(life, 'roko'), 'stopped')
})

test('`first` is true for the call that found nothing running, and only for that', () => {
  const life = new StoryLife()
  tell(life, ['module luka ready=notify'])
  assert.equal(apply(life).first, true)
  assert.equal(apply(life).first, false)
})

test('a completed task is not run again by the next up, but by one that names it', () => {
  const life = new StoryLife()
  tell(life, ['module once kind=task', 'up', 'exit once 0'])
  assert.deepEqual(apply(life).left, [{ module: 'once', reason: 'completed before' }])
  apply(life, ['once'])
  assert.equal(stateOf(life, 'once'), 'starting')
})

test('a successor finds the plan, and the journal tells what changed and who asked', () => {
  const life = tell(fleet(), ['module roko ready=notify environment.PAIR=ETH/EUR'])
  apply(life)
  assert.deepEqual(life.host.plan, life.fleet.plan())
  const event = life.host.journal.findLast(each => each.kind === 'plan_applied')
  assert.deepEqual(event?.data, {
    by: 'op',
    changes: [{ module: 'roko', change: 'restart', reason: 'environment changed' }],
  })
})

test('a change of dependencies takes effect at the next start', () => {
  const life = tell(fleet(), ['module roko ready=notify after=dabi', 'up', 'stop dabi', 'restart roko'])
  assert.match(life.run('states').join('\n'), /roko: skipped \(dabi is stopped/)
})

test('what is removed from the config is stopped in reverse order as well', () => {
  const life = new StoryLife()
  tell(life, ['module luka ready=notify', 'module roko after=luka ready=notify', 'module vida', 'up'])
  tell(life, ['ready luka', 'ready roko', 'deaf roko', 'remove luka roko', 'up', 'advance 29s'])
  assert.equal(life.host.living('luka').length, 1)
  tell(life, ['advance 2s'])
  assert.equal(life.host.living('luka').length, 0)
})
