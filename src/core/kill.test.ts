import assert from 'node:assert/strict'
import { test } from 'node:test'
import { moduleSpec, plan } from '../../test/simulation/fleet-plan.ts'
import { MarkError } from './errors.ts'
import { coveringKill, covers, parseScope } from './kill.ts'
import type { KillView } from './view.ts'

const PLAN = plan([moduleSpec('luka'), moduleSpec('roko', { lock: 'kraken:main' }), moduleSpec('dabi')], {
  groups: { desk: { modules: ['roko', 'dabi'], onFailure: 'one_for_one' } },
})

function covered(scope: string): string[] {
  return PLAN.modules.map(spec => spec.name).filter(name => covers(scope, name, PLAN))
}

test('each scope covers what it names and nothing else', () => {
  assert.deepEqual(covered('all'), ['luka', 'roko', 'dabi'])
  assert.deepEqual(covered('module:roko'), ['roko'])
  assert.deepEqual(covered('group:desk'), ['roko', 'dabi'])
  assert.deepEqual(covered('account:kraken:main'), ['roko'])
  assert.deepEqual(covered('account:main'), ['roko'])
  assert.deepEqual(covered('account:kraken'), [])
  assert.deepEqual(covered('group:unknown'), [])
})

test('a kind of scope that nobody knows covers all: a kill fails safe', () => {
  for (const scope of ['', 'everything', 'region:eu', ':']) assert.equal(covered(scope).length, 3, scope)
})

test('without a plan a module is covered by its name and by all, not by what only a plan tells', () => {
  assert.equal(covers('module:luka', 'luka', null), true)
  assert.equal(covers('all', 'luka', null), true)
  assert.equal(covers('group:desk', 'roko', null), false)
  assert.equal(covers('account:main', 'roko', null), false)
})

test('of several kills the first that covers a module is named', () => {
  const kills = ['module:dabi', 'group:desk', 'all'].map(scope => ({ id: scope, scope }) as KillView)
  assert.equal(coveringKill(kills, 'luka', PLAN)?.id, 'all')
  assert.equal(coveringKill(kills, 'roko', PLAN)?.id, 'group:desk')
  assert.equal(coveringKill(kills, 'dabi', PLAN)?.id, 'module:dabi')
  assert.equal(coveringKill([], 'dabi', PLAN), null)
})

test('a scope is taken as people type it', () => {
  assert.equal(parseScope('all', PLAN), 'all')
  assert.equal(parseScope('luka', PLAN), 'module:luka')
  assert.equal(parseScope('module:luka', PLAN), 'module:luka')
  assert.equal(parseScope('group:desk', PLAN), 'group:desk')
  assert.equal(parseScope('account:kraken:main', PLAN), 'account:kraken:main')
})

test('a scope that covers nothing is refused, but never for want of a plan', () => {
  for (const typed of ['lukas', 'group:desks', 'account:other', 'module:']) {
    assert.throws(
      () => parseScope(typed, PLAN),
      error =>
        error instanceof MarkError && error.code === 'MARK_NO_SUCH_MODULE' && error.message.includes(typed),
      typed,
    )
  }
  assert.equal(parseScope('lukas', null), 'module:lukas')
  assert.equal(parseScope('group:desks', null), 'group:desks')
})
