/** `npm test` counts truly: what fails, hangs, runs nothing or is skipped is told, and told at the end. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'

const SCRIPT = join(import.meta.dirname, '..', '..', 'scripts', 'test.js')
const root = mkdtempSync(join(tmpdir(), 'mark-runner-'))
after(() => rmSync(root, { recursive: true, force: true }))

const HEAD = "import { describe, test } from 'node:test'\n"

function runTests(
  files: Record<string, string>,
  ...args: string[]
): { status: number | null; lines: string[] } {
  const tree = mkdtempSync(join(root, 'tree-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), text)
  }
  const env = { ...process.env, MARK_TEST_LIMIT_MS: '2000' }
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT, '--root', tree, ...args], {
    env,
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, lines: stdout.trimEnd().split('\n') }
}

describe('the last line counts', () => {
  test('what passed, suites left out', () => {
    const file = `${HEAD}describe('a', () => { test('b', () => {}); test('c', () => {}) })\n`
    const { status, lines } = runTests({ 'src/a.test.ts': file })
    assert.deepEqual([status, lines.at(-1)], [0, '2 passed, 0 failed, 0 skipped'])
  })

  test('what failed, by its full name', () => {
    const file = `${HEAD}describe('a', () => { test('b', () => { throw new Error('boo') }) })\n`
    const { status, lines } = runTests({ 'src/a.test.ts': file })
    assert.deepEqual([status, lines.at(-1)], [1, '0 passed, 1 failed, 0 skipped'])
    assert.ok(lines.includes('  src/a.test.ts: a > b'), lines.join('\n'))
    assert.match(lines.join('\n'), /Error: boo/)
  })

  test('what was skipped, with its reason', () => {
    const file = `${HEAD}test('b', { skip: 'needs a cgroup' }, () => {})\ntest('c', () => {})\n`
    const { status, lines } = runTests({ 'src/a.test.ts': file })
    assert.deepEqual([status, lines.at(-1)], [0, '1 passed, 0 failed, 1 skipped'])
    assert.ok(lines.includes('  src/a.test.ts: b: needs a cgroup'), lines.join('\n'))
  })

  test('Python tests too', () => {
    const file = `import unittest
class A(unittest.TestCase):
    def test_a(self): pass
    def test_b(self): self.fail("no")
    @unittest.skip("no exchange")
    def test_c(self): pass
`
    const { status, lines } = runTests({ 'examples/a/test_a.py': file })
    assert.deepEqual([status, lines.at(-1)], [1, '1 passed, 1 failed, 1 skipped'])
    assert.ok(lines.includes('  examples/a/test_a.py: test_c: no exchange'), lines.join('\n'))
  })
})

describe('a failure that is no failed assertion is one all the same:', () => {
  const failing: readonly [what: string, text: string, says: RegExp][] = [
    ['a file that cannot be loaded', "import './missing.ts'\n", /no test ran/],
    ['a file in which no test ran', 'console.log(1)\n', /no test ran/],
    ['a file that never yields', `${HEAD}test('a', () => { for (;;); })\n`, /did not end within 2 s/],
    [
      'a file that leaves a timer running',
      `${HEAD}test('a', () => { setInterval(() => {}, 9) })\n`,
      /did not end/,
    ],
    [
      'a file that ends with another status',
      `${HEAD}test('a', () => {})\nprocess.on('exit', () => process.exit(3))\n`,
      /with 3/,
    ],
  ]
  for (const [what, text, says] of failing) {
    test(what, () => {
      const { status, lines } = runTests({ 'src/a.test.ts': text })
      assert.equal(status, 1)
      assert.match(lines.at(-1) as string, /^\d passed, 1 failed, 0 skipped$/)
      assert.match(lines.join('\n'), says)
    })
  }

  test('no test file at all', () => {
    const { status, lines } = runTests({ 'src/a.ts': '' })
    assert.deepEqual([status, lines.at(-1)], [1, '0 passed, 0 failed, 0 skipped'])
  })
})

test('a word chooses files by their path, and --fast leaves out the slow folders', () => {
  const file = `${HEAD}test('a', () => {})\n`
  const files = { 'src/keeper/a.test.ts': file, 'src/cli/a.test.ts': file, 'test/system/a.test.ts': file }
  assert.equal(runTests(files, 'keeper').lines.at(-1), '1 passed, 0 failed, 0 skipped')
  assert.equal(runTests(files, '--fast').lines.at(-1), '2 passed, 0 failed, 0 skipped')
  assert.equal(runTests(files).lines.at(-1), '3 passed, 0 failed, 0 skipped')
})
