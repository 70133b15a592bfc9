import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type LocatedNode, merge, placeAt, toPlain } from './located.ts'
import { readDocument } from './document.ts'
import { Report } from './problem.ts'

function tree(value: unknown): LocatedNode {
  const node = readDocument('x.yaml', JSON.stringify(value), new Report())
  assert.ok(node)
  return node
}

const key = fc.constantFrom('a', 'b', 'c', 'd')
const { value: anything } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.integer(),
    fc.boolean(),
    fc.array(fc.integer(), { maxLength: 3 }),
    fc.dictionary(key, tie('value')),
  ),
}))
const map = fc.dictionary(key, anything)

/** What merging means, said the short way. */
function model(under: unknown, over: unknown): unknown {
  const isMap = (value: unknown): value is Record<string, unknown> =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
  if (!isMap(under) || !isMap(over)) return over
  const merged = { ...under }
  for (const [name, value] of Object.entries(over))
    merged[name] = name in under ? model(under[name], value) : value
  return merged
}

const plain = (node: LocatedNode): unknown => JSON.parse(JSON.stringify(toPlain(node)))

test('maps are merged key by key and everything else is replaced', () => {
  fc.assert(
    fc.property(map, map, (under, over) => {
      assert.deepEqual(plain(merge(tree(under), tree(over))), JSON.parse(JSON.stringify(model(under, over))))
    }),
  )
})

test('merging under nothing, or under itself, changes nothing', () => {
  fc.assert(
    fc.property(map, value => {
      assert.deepEqual(plain(merge(tree({}), tree(value))), plain(tree(value)))
      assert.deepEqual(plain(merge(tree(value), tree(value))), plain(tree(value)))
    }),
  )
})

test('a value keeps the place of the file that wrote it', () => {
  const read = (file: string, text: string): LocatedNode =>
    readDocument(file, text, new Report()) as LocatedNode
  const merged = merge(read('d.yaml', 'a: 1\nb: 2\n'), read('m.yaml', 'c: 3\nb: 4\n'))
  assert.deepEqual(placeAt(merged, ['a']), { file: 'd.yaml', line: 1, column: 4 })
  assert.deepEqual(placeAt(merged, ['b']), { file: 'm.yaml', line: 2, column: 4 })
  assert.deepEqual(placeAt(merged, ['nothing', 'there']), { file: 'm.yaml', line: 1, column: 1 })
})

test('aliases are read where they stand', () => {
  const node = readDocument('x.yaml', 'a: &x [1, 2]\nb: *x\n', new Report())
  assert.deepEqual(plain(node as LocatedNode), { a: [1, 2], b: [1, 2] })
})

test('any text is a tree or a list of problems, never an exception', () => {
  const piece = fc.constantFrom(
    'a',
    ':',
    ' ',
    '\n',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '\t',
    '&a',
    '*a',
    '#',
    '!!x',
    '|',
    '>',
    '%',
    '?',
    ',',
    '<<',
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }).map(parts => parts.join('')),
      text => {
        const report = new Report()
        const node = readDocument('x.yaml', text, report)
        assert.equal(node === null, report.errors.length > 0)
        for (const { line, column } of report.errors) assert.ok(line >= 1 && column >= 1)
      },
    ),
    { numRuns: 300 },
  )
})
