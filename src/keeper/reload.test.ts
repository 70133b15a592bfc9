import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoryLife } from '../../test/stories/story-life.ts'
import { uptimeOf } from '../core/uptime.ts'

function tell(...lines: readonly string[]): { life: StoryLife; told: string } {
  const life = new StoryLife()
  return { life, told: lines.flatMap(line => life.run(line)).join('\n') }
}

const UP = ['module luka ready=notify', 'up', 'ready luka']

test('at every moment of a reload one ready run is there', () => {
  const { life } = tell(...UP, 'deaf luka', 'reload luka')
  assert.match(life.run('states').join('\n'), /luka: ready, pid 101/)
  assert.match(life.run('ready luka').join('\n'), /luka: ready, pid 102/)
  assert.equal(life.host.living('luka').length, 2)
  life.run('advance 31s')
  assert.equal(life.host.living('luka').length, 1)
})

test('a reload that fails leaves its group alone, and the module is not called failed', () => {
  const { told } = tell(
    'module luka ready=notify',
    'module roko after=luka ready=notify',
    'group pipeline luka roko on_failure=rest_for_one',
    'up',
    'ready luka',
    'ready roko',
    'reload luka',
    'crash luka~next 1',
  )
  assert.doesNotMatch(told, /stopping roko/)
  assert.doesNotMatch(told, /^failed luka/m)
  assert.match(told, /alert luka reason="reload failed, the old run goes on/)
})

test('a reload that a kill ended is not said to have failed with the old run going on', () => {
  const { told } = tell(...UP, 'reload luka', 'kill all')
  assert.doesNotMatch(told, /the old run goes on/)
})

test('a reload goes on under the next keeper', () => {
  const { life } = tell(...UP, 'reload luka', 'keeper dies', 'keeper starts', 'ready luka')
  assert.match(life.run('states').join('\n'), /luka: ready, pid 102/)
  assert.equal(life.host.living('luka').length, 1)
})

test('a module that was reloaded is up: the end of its old run is not the end of its uptime', () => {
  const { life } = tell(...UP, 'advance 1m', 'reload luka', 'ready luka', 'advance 1h')
  const transitions = life.host.journal
    .filter(event => event.module === 'luka')
    .map(event => ({
      atMs: Date.parse(event.at),
      kind: event.kind,
      runId: event.run_id,
      asked: event.data.asked === true || typeof event.data.by === 'string',
    }))
  assert.equal(uptimeOf(transitions, 0, life.host.wallMs).state, 'up')
})

test('a reload asked twice is one reload', () => {
  const { life, told } = tell(...UP, 'reload luka', 'reload luka')
  assert.match(told, /note: luka is being reloaded already/)
  assert.equal(life.host.living('luka').length, 2)
})
