import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoryLife } from '../../test/stories/story-life.ts'

function tell(...lines: readonly string[]): StoryLife {
  const life = new StoryLife()
  for (const line of lines) life.run(line)
  return life
}

test('a task that ran when the host went down is lost, and not run again by itself', () => {
  const life = tell(
    'module load kind=task',
    'up',
    'advance 2s',
    'host reboots',
    'keeper starts',
    'advance 1h',
  )
  assert.deepEqual(life.host.living('load'), [])
  assert.match(life.run('states').join('\n'), /load: failed \(lost/)
})

test('the run that a reboot ended is the last exit of its module, and unknown', () => {
  const life = tell('module luka', 'up', 'advance 2s', 'host reboots')
  const [record] = [...life.host.runs.values()].filter(run => run.module === 'luka')
  life.run('keeper starts')
  const last = life.keeper?.engine.children.get('luka')?.lastExit
  assert.deepEqual([last?.run_id, last?.known, last?.code, last?.signal], [record?.run_id, false, null, null])
})

test('a keeper counts as adopted what lives, not what it finds dead', () => {
  const life = tell('module luka', 'module roko', 'up', 'keeper dies', 'crash luka 3', 'keeper starts')
  const began = life.host.journal.findLast(event => event.kind === 'keeper_started')
  assert.equal(began?.data.adopted, 2, 'roko and the daemon')
})

test('of a hundred keepers in a row each adopts the same run', () => {
  const life = tell('module luka ready=notify', 'up', 'ready luka')
  const [process] = life.host.living('luka')
  for (let keeper = 0; keeper < 100; keeper++) {
    life.run('keeper dies')
    life.run('keeper starts')
  }
  assert.deepEqual(life.host.living('luka'), [process])
  assert.match(life.run('states').join('\n'), /luka: ready, pid 101/)
})

test('an adopted run was ready when it was ready: its uptime and its restart delay do not begin anew', () => {
  const life = tell('module luka ready=notify', 'up', 'ready luka')
  const ready = life.keeper?.engine.children.get('luka')?.run?.ready
  for (const line of ['advance 1m', 'keeper dies', 'advance 1m', 'keeper starts']) life.run(line)
  assert.ok(ready)
  assert.deepEqual(life.keeper?.engine.children.get('luka')?.run?.ready, ready)
})

test('the exit of a run is journaled once, however often the keeper dies around it', () => {
  const life = tell('module luka', 'up', 'keeper dies', 'crash luka 3', 'keeper starts')
  for (const line of ['keeper dies', 'keeper starts', 'advance 1s']) life.run(line)
  const exits = life.host.journal.filter(event => event.kind === 'exited' && event.module === 'luka')
  assert.deepEqual(
    exits.map(event => [event.data.known, event.data.code]),
    [[true, 3]],
  )
})

test('a fleet that was taken down stays down when a keeper starts, but for a boot', () => {
  const life = tell('module luka', 'up', 'down', 'keeper starts', 'advance 1m')
  assert.deepEqual(life.host.living('luka'), [])
  for (const line of ['keeper dies', 'host reboots', 'keeper starts', 'advance 1m']) life.run(line)
  assert.equal(life.host.living('luka').length, 1)
})

test('an exit stands in the journal before the start that follows it, though it is told after', () => {
  const life = tell('module luka ready=notify restart.delay=0s', 'up', 'ready luka')
  const told = life.host.journal.length
  life.run('crash luka 3')
  const kinds = life.host.journal.slice(told).filter(event => event.module === 'luka')
  assert.deepEqual(
    kinds.map(event => event.kind).filter(kind => kind === 'exited' || kind === 'started'),
    ['exited', 'started'],
  )
})
