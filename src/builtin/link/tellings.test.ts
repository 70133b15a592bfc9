import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tellings } from './tellings.ts'

test('of a storm ten are told and the rest is counted, each kind for itself', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const told: [string, string][] = []
  const tellings = new Tellings((kind, facts) => told.push([kind, facts.left_out ?? facts.what ?? '']))
  for (let n = 0; n < 25; n++) tellings.tell('link_refused', { what: `n${n}` })
  tellings.tell('link_client', { what: 'here' })
  assert.equal(told.length, 11)
  t.mock.timers.tick(1000)
  assert.deepEqual(told.slice(11), [['link_refused', '15']])
  tellings.tell('link_refused', { what: 'again' })
  assert.deepEqual(told.at(-1), ['link_refused', 'again'])
})

test('what a client sent is masked and cut', () => {
  const told: string[] = []
  const tellings = new Tellings((_, facts) => told.push(facts.topic ?? ''))
  tellings.tell('link_refused', { topic: `a\u001b[31m\n${'x'.repeat(500)}` })
  assert.match(told[0] ?? '', /^a\?\[31m\?x{193}\.\.\.$/)
})
