import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseNotify } from './notify.ts'

const path = new URL('../../test/vectors/notify.json', import.meta.url)
const vectors = JSON.parse(readFileSync(path, 'utf8')) as {
  readonly name: string
  readonly message: string
  readonly notices: readonly object[]
}[]

for (const { name, message, notices } of vectors) {
  test(`sd_notify: ${name}`, () => assert.deepEqual(parseNotify(message), notices))
}
