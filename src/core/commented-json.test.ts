import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommentedJson, plainJson, positionOf } from './commented-json.ts'

const faultAt = (text: string): string => {
  const parsed = parseCommentedJson(text)
  if (!('fault' in parsed)) throw new Error('it was accepted')
  const { line, column } = positionOf(text, parsed.offset)
  return `${line}:${column} ${parsed.fault}`
}

test('comments and commas before a closing bracket are no fault', () => {
  const text =
    '{\n // paper\n "dry_run": true, /* why,\n not */ "pairs": ["BTC/USDT", /* last */ ], // end\n}'
  assert.deepEqual(parseCommentedJson(text), { value: { dry_run: true, pairs: ['BTC/USDT'] } })
})

test('what looks like a comment within text is text', () => {
  const text = '{ "url": "http://127.0.0.1:8080", "odd": "a \\" // b /* c", "list": ",]" }'
  assert.equal(plainJson(text), text)
})

test('a fault keeps its place though comments stand before it, and shows no value', () => {
  assert.equal(faultAt('{\n /* a\n b */ "key": hush\n}'), '3:14 it is not JSON')
  assert.equal(faultAt('{ "secret": "hush"'), '1:19 it ends too early')
})
