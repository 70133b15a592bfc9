import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { findTracebacks, fingerprintText, lineTemplate } from './traceback.ts'
import type { Traceback } from './traceback-shape.ts'

interface Expected {
  language: string
  type: string
  message: string | null
  firstLine: number
  lastLine: number
  frame: { file: string | null; line: number | null; function: string | null }
  rootCause: string | null
}

const own = join(import.meta.dirname, '../../test/vectors/tracebacks')
const shared = join(
  process.env.MARK_SHARED ?? join(import.meta.dirname, '../../../shared'),
  'data/tracebacks',
)

for (const [name, folder] of [
  ['own', own],
  ['shared', shared],
] as const) {
  const there = existsSync(join(folder, 'expected.json'))
  const skip = there ? false : `SKIPPED: no ${name} traceback vectors here (set MARK_SHARED)`
  test(`every Python and Node traceback of the ${name} vectors is found exactly`, { skip }, () => {
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<
      string,
      Expected[]
    >
    for (const file of readdirSync(folder).filter(entry => entry.endsWith('.txt') && entry in expected)) {
      const wanted = (expected[file] as Expected[]).filter(one => ['python', 'node'].includes(one.language))
      const found = findTracebacks(readFileSync(join(folder, file), 'utf8').split('\n'))
      assert.deepEqual(
        found.map(one => one.type),
        wanted.map(one => one.type),
        file,
      )
      for (const [index, one] of found.entries()) sameAs(file, one, wanted[index] as Expected)
    }
  })
}

function sameAs(file: string, one: Traceback, wanted: Expected): void {
  assert.equal(one.language, wanted.language, file)
  if (wanted.message !== null) assert.equal(one.message, wanted.message, file)
  assert.deepEqual([one.firstLine, one.lastLine], [wanted.firstLine, wanted.lastLine], file)
  assert.equal(one.rootCause, wanted.rootCause, file)
  for (const key of ['file', 'line', 'function'] as const) {
    if (wanted.frame?.[key] != null)
      assert.equal(one.frame?.[key], wanted.frame[key], `${file}: frame.${key}`)
  }
}

const crash = (line: number, price: string) => [
  'Traceback (most recent call last):',
  `  File "/app/a.py", line ${line}, in <module>`,
  '    main()',
  `  File "/app/a.py", line ${line + 2}, in main`,
  `ValueError: bad price ${price} at 0x7f${line}`,
]

test('crashes at moved lines have one fingerprint, another function has another', () => {
  const [a] = findTracebacks(crash(3, '1.5'))
  const [b] = findTracebacks(crash(90, '-7'))
  const [c] = findTracebacks(crash(3, '1.5').map(line => line.replace('in main', 'in other')))
  assert.ok(a && b && c)
  assert.equal(fingerprintText(a), fingerprintText(b))
  assert.notEqual(fingerprintText(a), fingerprintText(c))
})

test('a template drops times, numbers and addresses', () => {
  const line = (n: number) =>
    `2026-01-0${n}T10:00:0${n}Z order ${n}00 at 0xdead${n}beef failed after ${n}.5 s`
  assert.equal(lineTemplate(line(1)), lineTemplate(line(7)))
  assert.match(lineTemplate(line(1)), /^order <\*> at <\*> failed/)
})

test('whatever a module writes, the search ends, never throws and stays inside the lines', () => {
  const piece = fc.constantFrom(
    'Traceback (most recent call last):',
    '  File "/a.py", line 1, in f',
    '    code()',
    'ValueError: x',
    '',
    'During handling of the above exception, another exception occurred:',
    '  + Exception Group Traceback (most recent call last):',
    '  | ExceptionGroup: g (1 sub-exception)',
    '  +-+---------------- 1 ----------------',
    'TypeError: y',
    '    at f (/a.js:1:2) {',
    '    at /a.js:1:2',
    '  [cause]: Error: z',
    '[AggregateError: q] {',
    '  [errors]: [',
    '}',
    '/a.js:3',
    '   ^',
    '{"err":{"stack":"E: x\\n    at /a.js:1:2"}}',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 60 }), lines => {
      let last = 0
      for (const one of findTracebacks(lines)) {
        assert.ok(one.firstLine > last && one.firstLine <= one.lastLine && one.lastLine <= lines.length)
        last = one.lastLine
      }
    }),
  )
})

test('200,000 lines of hostile near-tracebacks take less than two seconds', () => {
  const lines = Array.from({ length: 200_000 }, (_, i) =>
    i % 3 === 0
      ? 'Traceback (most recent call last):'
      : i % 3 === 1
        ? `Error: ${'x'.repeat(40)}`
        : '    at nowhere',
  )
  const before = performance.now()
  findTracebacks(lines)
  assert.ok(performance.now() - before < 2000)
})
