import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { findTracebacks } from './traceback.ts'
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

const CLAIMED = new Set(['python', 'node', 'go', 'rust', 'java'])

for (const [name, folder] of [
  ['own', own],
  ['shared', shared],
] as const) {
  const there = existsSync(join(folder, 'expected.json'))
  const skip = there ? false : `SKIPPED: no ${name} traceback vectors here (set MARK_SHARED)`
  const cases = there ? readCases(folder) : []

  test(`every traceback of the ${name} vectors is found exactly, and nothing else`, { skip }, () => {
    for (const one of cases) same(one.file, findTracebacks(one.lines), one.wanted)
  })

  test(`${name} vectors: colours and carriage returns change nothing`, { skip }, () => {
    for (const { file, lines, wanted } of cases) {
      same(file, findTracebacks(lines.map(line => `${line}\r`)), wanted)
      same(file, findTracebacks(lines.map(line => `\u001b[31m${line}\u001b[0m`)), wanted)
    }
  })

  test(`${name} vectors: what a logger writes before every line changes nothing`, { skip }, () => {
    for (const { file, lines, wanted } of cases) {
      if (/json|prefix|container|cut-off|node-logged|go-http/.test(file)) continue
      const before = [
        (at: number) => `2026-11-22 10:00:${10 + (at % 50)},123 ERROR `,
        (at: number) => `luka-1  | 2026-11-22T10:00:00.${at}Z [main] `,
        (at: number) => `Nov 22 10:00:0${at % 10} host bot[77]: `,
      ]
      for (const prefix of before) {
        const prefixed = lines.map((line, at) => (line === '' ? prefix(at).trimEnd() : prefix(at) + line))
        same(file, findTracebacks(prefixed), wanted)
      }
    }
  })

  test(`${name} vectors: with lines lost at the beginning nothing wrong is found`, { skip }, () => {
    for (const { file, lines, wanted } of cases) {
      for (let lost = 1; lost < lines.length; lost++) {
        for (const one of findTracebacks(lines.slice(lost))) {
          const true_ = wanted.find(other => other.lastLine === one.lastLine + lost)
          assert.ok(true_, `${file} from line ${lost + 1}: ${one.type} at ${one.firstLine}-${one.lastLine}`)
          assert.deepEqual([one.language, one.type], [true_.language, true_.type], `${file} from ${lost + 1}`)
        }
      }
    }
  })
}

interface Case {
  readonly file: string
  readonly lines: readonly string[]
  readonly wanted: readonly Expected[]
}

function readCases(folder: string): Case[] {
  const all = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<string, Expected[]>
  return Object.entries(all).map(([file, list]) => ({
    file,
    lines: readFileSync(join(folder, file), 'utf8').split('\n'),
    wanted: list.filter(one => CLAIMED.has(one.language)),
  }))
}

function same(file: string, found: readonly Traceback[], wanted: readonly Expected[]): void {
  assert.deepEqual(
    found.map(one => one.type),
    wanted.map(one => one.type),
    file,
  )
  for (const [index, one] of found.entries()) sameAs(file, one, wanted[index] as Expected)
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
    ...['panic: x', '\tpanic: y [recovered]', 'goroutine 1 [running]:', 'main.f(0x1)', '\t/a.go:1 +0x1'],
    ...['fatal error: z', 'http: panic serving [::1]:1: q', 'created by main.f in goroutine 1'],
    ...["thread 'main' panicked at a.rs:1:2:", "thread 'a' panicked at 'm', a.rs:1:2", 'note: run with'],
    ...['stack backtrace:', '   0: f', '             at a.rs:1:2', "thread 'a' has overflowed its stack"],
    ...['Exception in thread "m" a.B: c', 'a.b.CException: d', '\tat a.b.C.d(C.java:1)', '\t... 2 more'],
    ...['Caused by: a.E: f', '\tSuppressed: a.G', '10:00:00 ERROR a.b.CException: d', '10:00:01 ERROR '],
    '10:00:02 ERROR Traceback (most recent call last):',
    ...[
      '10:00:03 ERROR panic: x',
      '10:00:04 ERROR goroutine 1 [running]:',
      '10:00:05 ERROR \tat a.B.c(D.java:1)',
    ],
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

/** Each of these was, or could become, a way to make the search read the same lines again and again. */
const HOSTILE: readonly (readonly string[])[] = [
  ['Traceback (most recent call last):', `Error: ${'x'.repeat(40)}`, '    at nowhere'],
  ['Traceback (most recent call last):', ...Array<string>(3000).fill('  File "/a.py", line 1, in f')],
  ['9 x Traceback (most recent call last):', ...Array<string>(3000).fill('9 x   File "/a.py", line 1, in f')],
  Array.from({ length: 300 }, (_, n) => `${' '.repeat(2 * n)}Traceback (most recent call last):`),
  ['panic: x'],
  ['panic: x', '\tpanic: y'],
  ['9 x panic: y'],
  ['goroutine 1 [running]:', ''],
  ['goroutine 1 [running]:', 'main.f()', '\t/a.go:1 +0x1'],
  [`f${'('.repeat(30_000)})`, '\t/a.go:1'],
  ["thread 'a' panicked at 'x', y"],
  [`thread '${"' panicked at ', ".repeat(500)}`],
  ['java.lang.IllegalStateException: x'],
  ['java.lang.X: a', 'Caused by: a.B: c'],
  ['a.'.repeat(15_000)],
  ['Error: x', '    at f (/a.js:1:2) {', 'a'],
  ['/a.js:3', 'x'],
  ['zz Error: x', 'zz     at y'],
  [JSON.stringify({ stack: 'Error: x\n    at nothing\n'.repeat(2000) })],
  [' '.repeat(30_000)],
  [''],
]

test('256 KiB of any hostile output, as much as is read of a run, is read to its end', {
  // What is not linear in it takes minutes.
  timeout: 50_000,
}, () => {
  for (const piece of HOSTILE) {
    const bytes = piece.reduce((sum, line) => sum + line.length + 1, 0)
    const lines = Array.from({ length: Math.ceil(262_144 / bytes) }, () => piece).flat()
    findTracebacks(lines)
  }
})
