import assert from 'node:assert/strict'
import { test } from 'node:test'
import { painter, paintState, wantsColor } from './paint.ts'

test('NO_COLOR wins, then FORCE_COLOR, then the terminal', () => {
  assert.equal(wantsColor({}, { isTty: true, noColor: false }), true)
  assert.equal(wantsColor({}, { isTty: false, noColor: false }), false)
  assert.equal(wantsColor({ TERM: 'dumb' }, { isTty: true, noColor: false }), false)
  assert.equal(wantsColor({ FORCE_COLOR: '1' }, { isTty: false, noColor: false }), true)
  assert.equal(wantsColor({ FORCE_COLOR: '1', NO_COLOR: '1' }, { isTty: true, noColor: false }), false)
  assert.equal(wantsColor({ NO_COLOR: '' }, { isTty: true, noColor: false }), true)
  assert.equal(wantsColor({ FORCE_COLOR: '1' }, { isTty: true, noColor: true }), false)
})

test('a state is never said by colour alone', () => {
  assert.equal(paintState(painter(false), 'failed'), '✗ failed')
  assert.match(paintState(painter(true), 'failed'), /\x1b\[31m✗ failed/)
})
