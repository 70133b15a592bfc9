import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { quoteWord, splitWords } from './words.ts'

const lines: [string, string[]][] = [
  ['python3 -m vida', ['python3', '-m', 'vida']],
  ["sh -c 'a  b'", ['sh', '-c', 'a  b']],
  [`say "it's" it\\'s`, ['say', "it's", "it's"]],
  [`a"b"'c'd ''`, ['abcd', '']],
  ['"a\\"b\\\\ \\n $X"', ['a"b\\ \\n $X']],
  ['  spaced\tout\n ', ['spaced', 'out']],
  ['one\\\ntwo', ['onetwo']],
  ['$HOME *.py', ['$HOME', '*.py']],
]
for (const [line, words] of lines) {
  test(`splits ${JSON.stringify(line)} as a shell would`, () => assert.deepEqual(splitWords(line), words))
}

for (const line of ["open 'quote", 'open "quote', 'end\\', 'a | b', 'a; b', 'a && b', 'a > b', '`a`']) {
  test(`refuses ${JSON.stringify(line)} with a reason`, () => assert.throws(() => splitWords(line), /\w+/))
}

test('quoted words come back unchanged', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), words => {
      assert.deepEqual(splitWords(words.map(quoteWord).join(' ')), words)
    }),
  )
})

test('quoted words mean the same to the system shell', () => {
  const words = ["it's", 'a b', '$HOME', '*', '\\', '"', 'x=y', '', 'ü\n']
  const out = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${words.map(quoteWord).join(' ')}`], {
    encoding: 'utf8',
  })
  assert.deepEqual(out.split('\0').slice(0, -1), words)
})

test('any line is split or refused, never worse', () => {
  fc.assert(
    fc.property(fc.string(), line => {
      try {
        splitWords(line)
      } catch (error) {
        assert.equal((error as Error).constructor, Error)
      }
    }),
  )
})
