import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { interpolate } from './interpolate.ts'

const env = { A: 'one', EMPTY: '', B: '${A}' }
const good: [string, string][] = [
  ['${A}', 'one'],
  ['x${A}y${A}', 'xoneyone'],
  ['${EMPTY}', ''],
  ['${NONE:-two}', 'two'],
  ['${EMPTY:-two}', 'two'],
  ['${NONE:-}', ''],
  ['${NONE:-${A}}', 'one'],
  ['${A:?why}', 'one'],
  ['$${A}', '${A}'],
  ['$$${A}', '$${A}'],
  ['$A $ $$ a$', '$A $ $$ a$'],
  ['${B}', '${A}'],
]
for (const [text, want] of good) {
  test(`${text} becomes ${JSON.stringify(want)}`, () =>
    assert.deepEqual(interpolate(text, env), { ok: true, text: want }))
}

const bad: [string, RegExp, number][] = [
  ['ab ${NONE}', /NONE is not set/, 3],
  ['${EMPTY:?say it}', /EMPTY is empty: say it/, 0],
  ['${A', /never closed/, 0],
  ['${}', /not a variable/, 0],
  ['${A-x}', /not a variable/, 0],
  ['${1}', /not a variable/, 0],
  ['${jobs.a.outputs.b}', /not a variable/, 0],
  ['${toString}', /is not set/, 0],
]
for (const [text, message, offset] of bad) {
  test(`${text} is refused at its place`, () => {
    const result = interpolate(text, env)
    assert.ok(!result.ok)
    assert.match(result.message, message)
    assert.equal(result.offset, offset)
  })
}

test('outputs of jobs are left for the run that reads them', () => {
  assert.deepEqual(interpolate('${jobs.a.outputs.b} ${A}', env, ['jobs.']), {
    ok: true,
    text: '${jobs.a.outputs.b} one',
  })
})

test('text without ${ stays as it is', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      fc.pre(!text.includes('${'))
      assert.deepEqual(interpolate(text, {}), { ok: true, text })
    }),
  )
})

test('any text can be written literally by doubling the dollar before a brace', () => {
  const text = fc
    .array(fc.constantFrom('$', '{', '}', 'A', ':-', 'é'), { maxLength: 20 })
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(text, literal => {
      // `$${` is the only thing that cannot stand for itself, so a dollar before the pair is kept apart.
      fc.pre(!literal.includes('$${'))
      assert.deepEqual(
        interpolate(
          literal.replaceAll('${', () => '$${'),
          {},
        ),
        { ok: true, text: literal },
      )
    }),
  )
})

test('a value comes out exactly as it went in, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string(), value => {
      assert.deepEqual(interpolate('<${V}>', { V: value }), { ok: true, text: `<${value}>` })
    }),
  )
})
