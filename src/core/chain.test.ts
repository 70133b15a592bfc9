import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { companions, gate, type Peer, stopWave, withDependencies } from './chain.ts'
import type { Condition, ModuleSpec } from './plan.ts'
import type { ModuleState } from './view.ts'

const peers = (states: Record<string, ModuleState>): Map<string, Peer> =>
  new Map(Object.entries(states).map(([name, state]) => [name, { state, reason: 'why' }]))
const spec = (name: string, ...needs: string[]): ModuleSpec =>
  ({
    name,
    dependsOn: needs.map(need => ({ name: need, condition: 'ready' as Condition })),
  }) as unknown as ModuleSpec

test('each condition opens at its own state', () => {
  const open = (state: ModuleState, condition: Condition): string =>
    gate([{ name: 'a', condition }], peers({ a: state })).kind
  assert.deepEqual(
    ['starting', 'ready', 'completed'].map(state => open(state as ModuleState, 'started')),
    ['go', 'go', 'go'],
  )
  assert.deepEqual(
    ['starting', 'ready', 'completed'].map(state => open(state as ModuleState, 'ready')),
    ['wait', 'go', 'go'],
  )
  assert.deepEqual(
    ['starting', 'ready', 'completed'].map(state => open(state as ModuleState, 'completed')),
    ['wait', 'wait', 'go'],
  )
})

test('a dependency that will come back is waited for; one that will not skips, with the reason', () => {
  for (const state of ['waiting', 'backoff', 'stopping'] as const) {
    assert.equal(gate([{ name: 'a', condition: 'ready' }], peers({ a: state })).kind, 'wait')
  }
  for (const state of ['failed', 'held', 'stopped', 'skipped'] as const) {
    assert.deepEqual(gate([{ name: 'a', condition: 'ready' }], peers({ a: state })), {
      kind: 'skip',
      reason: `a is ${state}: why`,
    })
  }
})

test('one failed dependency skips, however many are ready', () => {
  const answer = gate(
    [
      { name: 'a', condition: 'ready' },
      { name: 'b', condition: 'ready' },
    ],
    peers({ a: 'starting', b: 'failed' }),
  )
  assert.equal(answer.kind, 'skip')
})

test('stopping wave after wave is the reverse of dependency order', () => {
  const graphs = fc.array(fc.array(fc.nat(9), { maxLength: 3 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(graphs, lists => {
      const modules = lists.map((needs, at) =>
        spec(`m${at}`, ...needs.filter(need => need < at).map(need => `m${need}`)),
      )
      const live = new Set(modules.map(module => module.name))
      while (live.size > 0) {
        const wave = stopWave(modules, live)
        assert.ok(wave.length > 0, 'the stop comes to an end')
        for (const module of modules) {
          if (!live.has(module.name) || wave.includes(module.name)) continue
          assert.ok(
            modules.some(
              other => live.has(other.name) && other.dependsOn.some(need => need.name === module.name),
            ),
          )
        }
        for (const name of wave) live.delete(name)
      }
    }),
  )
})

test('naming a module starts all that it depends on, in order, and nothing else', () => {
  const modules = [spec('a'), spec('b', 'a'), spec('c', 'b'), spec('d', 'a')]
  assert.deepEqual(withDependencies(modules, ['c']), ['a', 'b', 'c'])
})

test('one_for_all takes all of a group along, rest_for_one those declared after', () => {
  const groups = (onFailure: 'one_for_one' | 'one_for_all' | 'rest_for_one') => ({
    g: { modules: ['a', 'b', 'c'], onFailure },
  })
  assert.deepEqual(companions(groups('one_for_all'), 'b'), ['a', 'c'])
  assert.deepEqual(companions(groups('rest_for_one'), 'b'), ['c'])
  assert.deepEqual(companions(groups('one_for_one'), 'b'), [])
})
