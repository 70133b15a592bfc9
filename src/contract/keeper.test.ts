import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MarkError } from '../core/errors.ts'
import { parseReply, parseRequest } from './keeper.ts'

interface Vector {
  readonly name: string
  readonly line: string
  readonly ok?: object
  readonly error?: string
}

const path = new URL('../../test/vectors/keeper-protocol.json', import.meta.url)
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vector[]

test('every line of the vectors is understood, or refused for the reason they give', () => {
  for (const { name, line, ok, error } of vectors) {
    if (ok) assert.deepEqual(parseRequest(line), ok, name)
    else assert.throws(() => parseRequest(line), refusedFor(error ?? ''), name)
  }
  assert.ok(vectors.some(vector => vector.ok) && vectors.some(vector => vector.error))
})

test('a refusal never repeats what was sent: it may hold a secret', () => {
  const line = '{"id":1,"ask":"apply","secretValues":"hunter2","plan":{"modules":[]},"only":null'
  for (const sent of [line, `${line}}`])
    assert.throws(
      () => parseRequest(sent),
      error => !(error as Error).message.includes('hunter2'),
    )
})

test('a reply is an answer with an id or a push, anything else is a broken protocol', () => {
  assert.deepEqual(parseReply('{"id":1,"ok":true,"value":null}'), { id: 1, ok: true, value: null })
  assert.deepEqual(parseReply('{"push":"plan"}'), { push: 'plan' })
  for (const line of ['{}', '{"id":"1"}', '{"push":1}', '[]', 'no'])
    assert.throws(() => parseReply(line), refusedFor(''), line)
})

function refusedFor(why: string): (error: unknown) => boolean {
  return error => error instanceof MarkError && error.code === 'MARK_PROTOCOL' && error.message.includes(why)
}
