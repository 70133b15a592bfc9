import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoryLife } from '../../test/stories/story-life.ts'

const VERIFIED = 'module roko ready=notify stop.before=./cancel stop.verify=./is-flat'

/** A life after some lines of a story, and all that happened in them. */
function tell(...lines: readonly string[]): { life: StoryLife; told: string } {
  const life = new StoryLife()
  return { life, told: lines.flatMap(line => life.run(line)).join('\n') }
}

test('a kill is complete when all that it covers is down and verified', () => {
  const { life } = tell(
    VERIFIED,
    'up',
    'ready roko',
    'kill all',
    'hook roko before ok',
    'hook roko verify ok',
  )
  assert.equal(life.host.kills[0]?.complete, true)
})

test('a kill whose verify failed is never called complete', () => {
  const { life, told } = tell(
    VERIFIED,
    'up',
    'ready roko',
    'kill all',
    'hook roko before ok',
    'hook roko verify failed',
  )
  assert.doesNotMatch(told, /complete=true/)
  assert.equal(life.host.kills[0]?.complete, false)
})

test('nor does a later keeper call it complete', () => {
  const { life } = tell(
    VERIFIED,
    'up',
    'ready roko',
    'kill all',
    'hook roko before ok',
    'hook roko verify failed',
  )
  for (const line of ['keeper dies', 'keeper starts', 'advance 1m']) life.run(line)
  assert.equal(life.host.kills[0]?.complete, false)
})

test('one module that cannot verify leaves the whole kill unverified', () => {
  const { life } = tell(
    VERIFIED,
    'module luka',
    'up',
    'ready roko',
    'kill all',
    'hook roko before ok',
    'hook roko verify ok',
  )
  assert.equal(life.host.kills[0]?.complete, false)
})

test('a kill is not complete while anything in its scope still lives', () => {
  const { life } = tell(
    VERIFIED,
    'up',
    'ready roko',
    'deaf roko',
    'kill all',
    'hook roko before ok',
    'advance 29s',
  )
  assert.ok(life.host.journal.every(event => event.kind !== 'kill_complete'))
  for (const line of ['advance 2s', 'hook roko verify ok']) life.run(line)
  assert.equal(life.host.kills[0]?.complete, true)
})

test('a kill is journaled once, whoever wrote the latch and however many keepers see it', () => {
  const { life } = tell('module luka', 'up', 'kill all', 'keeper dies', 'kill module:luka', 'keeper starts')
  for (const line of ['keeper dies', 'keeper starts', 'states']) life.run(line)
  const noted = life.host.journal.filter(event => event.kind === 'killed').map(event => event.data.id)
  assert.deepEqual(noted, ['K-1', 'K-2'])
})

test('a latch that was tripped behind the keeper stops every start, and holds what was about to', () => {
  const { life } = tell('module luka', 'up', 'crash luka 1')
  const at = new Date(life.host.wallMs).toISOString()
  const kill = {
    id: 'K-9',
    level: 'halt',
    scope: 'all',
    reason: null,
    by: 'cli',
    at,
    complete: false,
  } as const
  life.host.kills.push(kill)
  assert.match(life.run('advance 1m').join('\n'), /held luka reason="killed \(K-9, halt\) by cli"/)
  assert.deepEqual(life.host.living('luka'), [])
})

test('what two kills hold is free when both are released, not before', () => {
  const { life } = tell('module luka', 'up', 'kill all', 'kill module:luka', 'release K-1')
  assert.match(life.run('start luka').join('\n'), /MARK_LATCHED.*K-2/)
  assert.match(life.run('release K-2').join('\n'), /luka: stopped/)
})

test('an operator’s own hold outlives the kill that came on top of it', () => {
  const { life } = tell('module luka', 'up', 'exit luka 12', 'kill all', 'release')
  assert.match(life.run('states').join('\n'), /luka: held/)
})
