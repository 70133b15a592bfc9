import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { visible, visibleCell } from './visible.ts'

test('escape sequences, window titles and 8-bit controls are shown, not obeyed', () => {
  assert.equal(visible('\x1b[2Jgone'), '\\x1b[2Jgone')
  assert.equal(visible('\x1b]0;title\x07'), '\\x1b]0;title\\x07')
  assert.equal(visible('\x9b31m'), '\\x9b31m')
  assert.equal(visible('over\rwritten\n'), 'over\\rwritten\\n')
})

test('text that would be shown in another order is named', () => {
  assert.equal(visible('pay \u202eeciv'), 'pay \\u202eeciv')
  assert.equal(visible('\u2066a\u2069'), '\\u2066a\\u2069')
})

test('ordinary text in any language stays as it is, tabs too', () => {
  assert.equal(visible('günther 漢字 🚀\tend'), 'günther 漢字 🚀\tend')
  assert.equal(visibleCell('a\tb'), 'a b')
})

test('nothing that is printed can move the cursor', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      assert.doesNotMatch(visible(text), /[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
    }),
  )
})
