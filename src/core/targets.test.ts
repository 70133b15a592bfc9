import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveTargets } from './targets.ts'

const KNOWN = {
  modules: ['luka', 'roko', 'dabi', 'vida-1', 'vida-2'],
  groups: { pipeline: { modules: ['dabi', 'luka'] } },
}

test('names, globs and groups mean modules, each once, in the fleet’s order', () => {
  assert.deepEqual(resolveTargets(['roko'], KNOWN), ['roko'])
  assert.deepEqual(resolveTargets(['vida-*', 'luka', 'vida-1'], KNOWN), ['luka', 'vida-1', 'vida-2'])
  assert.deepEqual(resolveTargets(['pipeline'], KNOWN), ['luka', 'dabi'])
  assert.deepEqual(resolveTargets(['group:pipeline'], KNOWN), ['luka', 'dabi'])
  assert.deepEqual(resolveTargets(['?ok?', 'vida-[!1]'], KNOWN), ['roko', 'vida-2'])
})

test('a word that means nothing is an error that names the nearest', () => {
  assert.throws(() => resolveTargets(['lukka'], KNOWN), {
    code: 'MARK_NO_SUCH_MODULE',
    hint: 'did you mean `luka`?',
  })
  assert.throws(() => resolveTargets(['nope*'], KNOWN), { code: 'MARK_NO_SUCH_MODULE' })
  assert.throws(() => resolveTargets(['luka', '__proto__'], KNOWN), { code: 'MARK_NO_SUCH_MODULE' })
})

test('what is not a wildcard is literal', () => {
  assert.throws(() => resolveTargets(['l.ka'], KNOWN))
  assert.throws(() => resolveTargets(['[z-a]*'], KNOWN))
  assert.throws(() => resolveTargets(['vida-(1'], KNOWN))
})
