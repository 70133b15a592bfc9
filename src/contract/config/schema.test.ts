import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDurationMs, parseSizeBytes } from '../../core/time.ts'
import { explain } from './explain.ts'
import { jsonSchema } from './schema.ts'
import { duration, positiveDuration, size } from './schema-parts.ts'

test('a duration is accepted exactly when core can read it, and means the same', () => {
  const written = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(), fc.constantFrom('ms', 's', 'm', 'h', 'd', '', 'M')).map(([n, unit]) => `${n}${unit}`),
  )
  fc.assert(
    fc.property(written, text => {
      const result = duration.safeParse(text)
      assert.equal(result.success ? result.data : null, parseDurationMs(text))
      const more = positiveDuration.safeParse(text)
      assert.equal(more.success, result.success && result.data > 0)
    }),
  )
})

test('a duration survives being written and read', () => {
  fc.assert(fc.property(fc.nat(), ms => assert.equal(duration.parse(formatDuration(ms)), ms)))
})

test('a size is accepted exactly when core can read it and it is more than nothing', () => {
  fc.assert(
    fc.property(fc.tuple(fc.nat(), fc.constantFrom('', 'K', 'M', 'G', 'T', 'kb')), ([n, unit]) => {
      const result = size.safeParse(`${n}${unit}`)
      const want = parseSizeBytes(`${n}${unit}`)
      assert.equal(result.success ? result.data : null, want === 0 ? null : want)
    }),
  )
})

interface Json {
  readonly description?: string
  readonly properties?: Record<string, Json>
  readonly anyOf?: readonly Json[]
  readonly additionalProperties?: Json | boolean
}

test('every key of the JSON Schema is described, and unknown keys are none', () => {
  const bare: string[] = []
  const walk = (node: Json, path: string): void => {
    for (const [key, inner] of Object.entries(node.properties ?? {})) {
      if (!inner.description) bare.push(`${path}.${key}`)
      walk(inner, `${path}.${key}`)
    }
    for (const option of node.anyOf ?? []) walk(option, path)
    if (typeof node.additionalProperties === 'object') walk(node.additionalProperties, `${path}.*`)
  }
  const schema = jsonSchema() as Json
  walk(schema, '')
  assert.deepEqual(bare, [])
  assert.equal(schema.additionalProperties, false)
})

test('a key is explained without a mark.yaml, also without saying which module', () => {
  const found = explain(null, 'restart.delay')
  assert.ok('key' in found)
  assert.equal(found.key, 'modules.<name>.restart.delay')
  assert.equal(found.default, '3s')
  assert.equal(found.from, null)
  assert.deepEqual(explain(null, 'modules.x.restart.dellay'), { hint: 'did you mean `delay`?' })
})

test("a key that only jobs have needs no job to be explained; what both have is the module's", () => {
  const keyOf = (key: string): string | null => {
    const found = explain(null, key)
    return 'key' in found ? found.key : found.hint
  }
  assert.equal(keyOf('retry.limit'), 'jobs.<name>.retry.limit')
  assert.equal(keyOf('umask'), 'modules.<name>.umask')
  assert.equal(keyOf('overlapp'), 'did you mean `overlap`?')
})
