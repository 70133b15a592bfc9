/** The cases of test/vectors/link.json: topics, filters, and who may do what. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers, isFilter, isTopic, matches } from '../../contract/module-topic.ts'
import { type Grants, Permissions } from './permissions.ts'

interface Vectors {
  readonly filters: { readonly good: string[]; readonly bad: string[] }
  readonly topic_names: { readonly good: string[]; readonly bad: string[] }
  readonly matches: { readonly filter: string; readonly topic: string; readonly matches: boolean }[]
  readonly covers: { readonly cases: { allowed: string; filter: string; covers: boolean }[] }
  readonly permissions: Grants & {
    readonly may_publish: { module: string; topic: string; may: boolean }[]
    readonly may_subscribe: { module: string; filter: string; may: boolean }[]
    readonly may_receive: { readonly cases: { module: string; topic: string; may: boolean }[] }
  }
}

const file = new URL('../../../test/vectors/link.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors
const permissions = new Permissions(vectors.permissions)

test('filters and topics are what MQTT says they are', () => {
  assert.deepEqual(vectors.filters.good.filter(isFilter), vectors.filters.good)
  assert.deepEqual(vectors.filters.bad.filter(isFilter), [])
  assert.deepEqual(vectors.topic_names.good.filter(isTopic), vectors.topic_names.good)
  assert.deepEqual(vectors.topic_names.bad.filter(isTopic), [])
})

for (const { filter, topic, matches: expected } of vectors.matches) {
  test(`${filter} ${expected ? 'matches' : 'does not match'} ${topic}`, () => {
    assert.equal(matches(filter, topic), expected)
  })
}

for (const { allowed, filter, covers: expected } of vectors.covers.cases) {
  test(`${allowed} ${expected ? 'covers' : 'does not cover'} ${filter}`, () => {
    assert.equal(covers(allowed, filter), expected)
  })
}

for (const { module, topic, may } of vectors.permissions.may_publish) {
  test(`${module} ${may ? 'may' : 'may not'} publish ${topic}`, () => {
    assert.equal(permissions.mayPublish(module, topic), may)
  })
}

for (const { module, filter, may } of vectors.permissions.may_subscribe) {
  test(`${module} ${may ? 'may' : 'may not'} subscribe to ${filter}`, () => {
    assert.equal(permissions.maySubscribe(module, filter), may)
  })
}

for (const { module, topic, may } of vectors.permissions.may_receive.cases) {
  test(`${module} ${may ? 'is' : 'is not'} handed ${topic}`, () => {
    assert.equal(permissions.mayReceive(module, topic), may)
  })
}

test('who covers a filter matches every topic that the filter matches', () => {
  const level = fc.constantFrom('a', 'b', '+', '', '$x')
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, wide]) => (wide ? [...levels, '#'] : levels).join('/'))
    .filter(isFilter)
  const topic = fc
    .array(fc.constantFrom('a', 'b', '', '$x'), { minLength: 1, maxLength: 5 })
    .map(levels => levels.join('/'))
    .filter(isTopic)
  fc.assert(
    fc.property(filter, filter, topic, (wide, narrow, name) => {
      if (covers(wide, narrow) && matches(narrow, name)) assert.ok(matches(wide, name))
    }),
  )
})

test('names are those that the grants mention, also the one who is asked', () => {
  assert.deepEqual([...permissions.names()].sort(), ['dani', 'luka', 'teea', 'vida'])
})
