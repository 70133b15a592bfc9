/** One clear sentence, at its place, for everything that can be wrong with mark.yaml and its files. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { FakeFiles } from './fake-files.ts'
import { problem, refusal, request, vida } from './fake-load.ts'
import { loadConfig } from './load.ts'
import { PRESETS, presetPath } from './presets.ts'

const SHIPPED = Object.fromEntries(
  PRESETS.map(name => presetPath(`${name}.yaml`)).map(path => [path, readFileSync(path, 'utf8')]),
)

describe('errors of the shared vectors', () => {
  interface Vector {
    readonly name: string
    readonly yaml: string
    readonly errors: readonly { readonly line: number; readonly column: number; readonly contains: string }[]
  }
  const file = new URL('../../../test/vectors/config-errors.json', import.meta.url)
  for (const { name, yaml, errors } of JSON.parse(readFileSync(file, 'utf8')) as Vector[]) {
    test(name, () => {
      const error = refusal(yaml, { extra: SHIPPED })
      const shown = error.problems.map(
        ({ line, column, message, hint }) => `${line}:${column} ${message} ${hint}`,
      )
      assert.equal(shown.length, errors.length, shown.join('\n'))
      for (const [index, { line, column, contains }] of errors.entries()) {
        const one = shown[index] as string
        assert.ok(one.startsWith(`${line}:${column} `), one)
        assert.ok(one.includes(contains), one)
      }
      assert.equal(error.exitStatus, 78)
    })
  }
})

describe('files', () => {
  test('that others can change are refused before they are read as configuration', () => {
    const given = request(vida('nonsense: 1'))
    ;(given.files as FakeFiles).shared.add('/srv/sipa/mark.yaml')
    assert.throws(() => loadConfig(given), { code: 'MARK_CONFIG_UNSAFE' })
  })

  test('that are not there say how to begin', () => {
    assert.throws(() => loadConfig({ ...request(''), file: '/srv/none/mark.yaml' }), {
      code: 'MARK_CONFIG_MISSING',
      hint: /mark init/,
    })
  })

  test('that include each other are refused with the circle', () => {
    const extra = { '/srv/sipa/b.yaml': 'include: mark.yaml' }
    const found = problem('include: [b.yaml]', { extra })
    assert.match(found.message, /mark.yaml -> b.yaml -> mark.yaml/)
    assert.equal(found.file, '/srv/sipa/b.yaml')
  })

  test('that declare one module twice name both places', () => {
    const extra = { '/srv/sipa/b.yaml': 'modules: { vida: { command: sleep 2 } }' }
    const found = problem(`include: [b.yaml]\n${vida('')}`, { extra })
    assert.equal(found.file, '/srv/sipa/b.yaml')
    assert.match(found.message, /also in \/srv\/sipa\/mark\.yaml:3:3/)
  })

  test('are shown with the line, a caret under the fault, and the hint', () => {
    assert.equal(
      refusal(vida('restart: { dealy: 3s }')).message,
      [
        'mark.yaml:4:16: modules.vida.restart.dealy: `dealy` is not a key of `modules.vida.restart`',
        '  4 |     restart: { dealy: 3s }',
        '                     ^',
        '  hint: did you mean `delay`?',
      ].join('\n'),
    )
  })

  test('with aliases within aliases are refused, and never written out', () => {
    const level = (name: string, of: string): string =>
      `${name}: &${name} [${Array(9).fill(`*${of}`).join(', ')}]\n`
    // Written out they would be three billion nodes.
    const pairs = ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg', 'ih', 'ji', 'kj']
    const bomb = `a: &a [x]\n${pairs.map(([name = '', of = '']) => level(name, of)).join('')}`
    assert.match(problem(bomb).message, /aliases/)
  })

  test('of 10 MB or a thousand brackets are refused and never crash', () => {
    assert.match(problem('#'.repeat(10_000_000)).message, /larger than 1 MB/)
    assert.match(problem('['.repeat(200_000)).message, /too deep/)
    assert.ok(refusal('- '.repeat(50_000)).problems.length > 0)
  })
})
