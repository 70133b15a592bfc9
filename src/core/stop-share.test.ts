import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ModuleSpec } from './plan.ts'
import { shareMs, wavesLeft } from './stop-share.ts'

function chain(dependencies: Readonly<Record<string, readonly string[]>>): ModuleSpec[] {
  return Object.entries(dependencies).map(
    ([name, names]) =>
      ({ name, dependsOn: names.map(each => ({ name: each, condition: 'ready' })) }) as unknown as ModuleSpec,
  )
}

const FLEET = chain({ luka: [], roko: ['luka'], dabi: ['roko', 'luka'], vida: [] })

test('the last module of a chain has as many waves before it as the chain is long', () => {
  const all = new Set(['luka', 'roko', 'dabi', 'vida'])
  assert.deepEqual(
    ['luka', 'roko', 'dabi', 'vida'].map(name => wavesLeft(FLEET, name, all)),
    [1, 2, 3, 1],
  )
})

test('what does not run takes no time', () => {
  assert.equal(wavesLeft(FLEET, 'dabi', new Set(['dabi', 'luka'])), 2)
  assert.equal(wavesLeft(FLEET, 'dabi', new Set(['dabi'])), 1)
})

test('a ring ends', () => {
  const ring = chain({ a: ['b'], b: ['a'] })
  assert.ok(wavesLeft(ring, 'a', new Set(['a', 'b'])) >= 1)
})

test('a chain of deaf modules, each given its share, ends in time with no share of nothing', () => {
  const deaf = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1000, max: 60_000 }))
  fc.assert(
    fc.property(deaf, ([length, budgetMs]) => {
      let leftMs = budgetMs
      for (let waves = length; waves > 0; waves--) {
        const share = shareMs(leftMs, waves)
        assert.ok(share > 0)
        leftMs -= share
      }
      assert.ok(leftMs >= 0)
    }),
  )
})
