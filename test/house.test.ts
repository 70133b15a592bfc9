/** The house keeps its rules (they stand in ARCHITECTURE.md and CONTRIBUTING.md), and each rule can fail. */
import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import * as arrow from './house/arrows.ts'
import * as call from './house/calls.ts'
import * as name from './house/names.ts'
import * as paper from './house/papers.ts'
import { blank, functionsOf, importsOf } from './house/scan.ts'
import * as size from './house/sizes.ts'
import { type Rule, readTree, treeOf } from './house/tree.ts'

const tree = readTree(dirname(import.meta.dirname))

/** Each rule, and the smallest tree that breaks it with a word of what it must say. */
const RULES: readonly [says: string, rule: Rule, bad: Record<string, string>, complaint: RegExp][] = [
  [
    'every source can be erased and read',
    t => [...t.unreadable],
    { 'src/core/a.ts': 'enum A { b }\n' },
    /^src\/core\/a\.ts: /,
  ],
  [
    'imports follow the arrows, type imports included',
    arrow.arrows,
    { 'src/core/a.ts': "import type { B } from '../host/b.ts'\n", 'src/host/b.ts': '' },
    /core may not import host\/b\.ts/,
  ],
  [
    'a package enters only the folder it is meant for',
    arrow.packages,
    { 'src/host/a.ts': "import koffi from 'koffi'\n" },
    /koffi is imported only in/,
  ],
  [
    'only host touches Linux',
    arrow.edges,
    { 'src/contract/a.ts': "import { readFileSync } from 'node:fs'\n" },
    /node:fs belongs to host/,
  ],
  [
    'the keeper loads only Node and koffi',
    arrow.keeperClosure,
    {
      'src/keeper/main.ts': "import { b } from '../host/b.ts'\n",
      'src/host/b.ts': "import { c } from '../contract/c.ts'\n",
      'src/contract/c.ts': "import { z } from 'zod'\n",
    },
    /contract\/c\.ts:1: zod would be loaded/,
  ],
  ['no import leads nowhere', arrow.brokenImports, { 'src/core/a.ts': "import './b.ts'\n" }, /there is no/],
  [
    'every import can be followed',
    arrow.computedImports,
    { 'src/core/a.ts': 'const a = import(b)\n' },
    /a\.ts:1: imports a computed name/,
  ],
  [
    'no ring of imports',
    arrow.cycles,
    {
      'src/core/a.ts': "import type { B } from './b.ts'\n",
      'src/core/b.ts': "export { c } from './c.ts'\n",
      'src/core/c.ts': "import { a } from './a.ts'\n",
    },
    /ring of imports/,
  ],
  [
    'no file is dead',
    arrow.deadFiles,
    { 'src/core/a.ts': '', 'src/core/a.test.ts': "import { a } from './a.ts'\n" },
    /src\/core\/a\.ts: nothing/,
  ],
  ['files and functions are small', size.sizes, { 'src/core/a.ts': '\n'.repeat(401) }, /401 lines/],
  ['lines are short', size.longLines, { 'src/core/a.ts': `// ${'x'.repeat(110)}\n` }, /113 characters/],
  ['the keeper can be read in an hour', size.keeperTotal, keeperOf(2001), /2001 lines in all/],
  ['an example is short', size.exampleSizes, { 'examples/f/a.py': '#\n'.repeat(151) }, /151 lines/],
  [
    'names are kebab-case, and no drawers',
    name.fileNames,
    { 'src/core/net-utils.ts': '' },
    /"utils" names a/,
  ],
  ['no barrels', name.barrels, { 'src/core/index.ts': "export * from './a.ts'\n" }, /a barrel/],
  [
    'every file opens with a comment',
    name.openings,
    { 'src/core/a.ts': 'export const a = 1\n' },
    /opens without/,
  ],
  ['no banners', name.banners, { 'src/core/a.ts': `// ${'='.repeat(20)}\n` }, /a banner/],
  [
    'core is pure',
    call.purity,
    { 'src/core/a.ts': 'export const now = (): number => Date.now()\n' },
    /a\.ts:1: `Date\.now` reads the clock/,
  ],
  [
    'only main.ts reads the environment or hears signals',
    call.outsideMain,
    { 'src/host/a.ts': 'export const home = process.env.HOME\n' },
    /only main\.ts reads/,
  ],
  ['every test is run or says why not', call.unrunTests, { 'src/a.test.ts': 'test.skip(name)\n' }, /not run/],
  [
    'no path of one machine',
    call.machinePaths,
    { 'README.md': ['see ', 'work', 'x'].join('/') },
    /one machine/,
  ],
  [
    'the error catalogue and docs/errors.md agree',
    paper.errorPages,
    { ...catalogue('MARK_A: 1'), 'docs/errors.md': '## MARK_B\n\nWhat it is.\n\nWhat to do.\n' },
    /MARK_A has no section/,
  ],
  ['every error code is said by something', paper.unusedCodes, catalogue('MARK_A: 1'), /nothing says MARK_A/],
  [
    'dependencies are pinned, locked, decided and used',
    paper.dependencies,
    { 'package.json': '{"dependencies":{"left-pad":"^1.0.0"}}' },
    /left-pad is not pinned exactly: \^1\.0\.0/,
  ],
  [
    'the lock file leaves nothing out, so that `npm ci` accepts it',
    paper.lockFile,
    { 'package-lock.json': '{"packages":{"node_modules/a":{"optionalDependencies":{"b":"1.0.0"}}}}' },
    /needs b, which is left out/,
  ],
  [
    'decisions are pages with numbers',
    paper.decisionPages,
    { 'docs/decisions/a.md': '# A\n' },
    /is not named/,
  ],
  [
    'links lead somewhere',
    paper.deadLinks,
    { 'README.md': '[a](docs/a.md)' },
    /docs\/a\.md, which is not there/,
  ],
]

describe('the house', () => {
  test('is really read', () => {
    assert.ok(tree.sources.has('src/core/errors.ts'))
    assert.ok(tree.texts.has('package.json'))
  })
  for (const [says, rule] of RULES) {
    test(says, () => {
      const found = rule(tree)
      assert.ok(found.length === 0, `${found.length} times\n${found.join('\n')}`)
    })
  }
})

describe('a bad tree is caught', () => {
  for (const [says, rule, bad, complaint] of RULES) {
    test(says, () => {
      const found = rule(treeOf(bad))
      assert.ok(
        found.some(violation => complaint.test(violation)),
        `expected ${complaint}, found ${JSON.stringify(found)}`,
      )
    })
  }
})

function keeperOf(lines: number): Record<string, string> {
  return { 'src/keeper/a.ts': '\n'.repeat(lines - 1000), 'src/keeper/b.ts': '\n'.repeat(1000) }
}

function catalogue(entries: string): Record<string, string> {
  return { 'src/core/errors.ts': `export const CATALOGUE = {\n  ${entries},\n} as const\n` }
}

/** What one file of src says to a rule. */
const complaintsOf = (rule: Rule, path: string, text: string): string[] => rule(treeOf({ [path]: text }))

describe('imports', () => {
  const kinds = (text: string): string[] =>
    importsOf(text, text).map(found => `${found.kind} ${found.specifier}`)

  test('are found in every form', () => {
    const text = [
      "import a from 'a'",
      "import type { B } from 'b'",
      "import c, { type D } from 'c'",
      "import * as e from 'e'",
      "import 'f'",
      "export { g } from 'g'",
      "export type { H } from 'h'",
      "export * from 'i'",
      'import {\n  j,\n  k,\n} from "j"',
      "const l = await import('l')",
      "const m = new URL(a ? './m.ts' : './m.js', import.meta.url)",
    ]
    const expected = ['a', 'b', 'c', 'e', 'f', 'g', 'h', 'i', 'j', 'l', './m.ts']
    const found = text.flatMap(kinds)
    assert.deepEqual(
      found.map(one => one.split(' ')[1]),
      expected,
    )
    assert.deepEqual([found[1], found[6], found[10]], ['type b', 'type h', 'url ./m.ts'])
    assert.equal(importsOf(text.join('\n'), text.join('\n')).length, expected.length)
  })

  test('are not found in comments, strings, templates and regular expressions', () => {
    const text = `
      // import a from 'a'
      /* import b from 'b' */
      const c = "import d from 'd'"
      const e = \`import f from 'f' \${"import g from 'g'"} import('h')\`
      const i = /import j from 'j'/
      export interface K { l: string }
      const from = 'm'`
    assert.deepEqual(kinds(text), [])
  })

  test('with a computed name are marked, because no one can follow them', () => {
    assert.deepEqual(kinds('const a = await import(name)'), ['computed '])
    assert.deepEqual(kinds('class A {\n  import(events) {\n  }\n}\nnew A().import(b)'), [])
  })
})

describe('functions', () => {
  const spans = (text: string): string[] => functionsOf(text).map(span => `${span.name} ${span.lines}`)

  test('are measured from the line of their parameters to their brace', () => {
    assert.deepEqual(spans('function a(b, c) {\n  return { d: 1 }\n}\n'), ['a 3'])
    assert.deepEqual(spans('const a = async b => {\n  c()\n}\n'), ['a 3'])
    assert.deepEqual(spans('class A {\n  #b() {\n  }\n  get c() { return 1 }\n}\n'), ['#b 2', 'c 1'])
    assert.deepEqual(spans('const a = {\n  b(\n    c,\n  ) {\n  },\n}\n'), ['b 4'])
  })

  test('are not loops, conditions or objects', () => {
    const text =
      'for (const a of b) {\n}\nif (c) {\n} else {\n}\nwhile (d) {\n}\n' +
      'try {\n} catch (e) {\n}\nconst f = {}\n'
    assert.deepEqual(spans(text), [])
  })

  test('with braces in strings, templates and regular expressions keep their end', () => {
    const text = "function a() {\n  b('}', `}${c({ d: `}` })}}`, /[}/]{1}/)\n  return 4 / 2 / 1\n}\n"
    assert.deepEqual(spans(text), ['a 4'])
  })

  test('that are too long are named, unless an exception that is still needed says why', () => {
    const text = `// A.\nexport function long(): void {\n${'  a()\n'.repeat(59)}}\n`
    assert.match(complaintsOf(size.sizes, 'src/core/a.ts', text).join(), /a\.ts:2: long has 61 lines/)
    const excused = size.sizesWith({ 'src/core/a.ts#long': 'a table' })
    assert.deepEqual(complaintsOf(excused, 'src/core/a.ts', text), [])
    assert.match(complaintsOf(excused, 'src/core/a.ts', '// A.\n').join(), /no longer needed/)
  })

  test('of a list of tests may be long', () => {
    const text = `describe('a', () => {\n${'  b()\n'.repeat(80)}})\n`
    assert.deepEqual(complaintsOf(size.sizes, 'test/a.test.ts', text), [])
  })

  test('that do not balance are refused, not passed over', () => {
    assert.throws(() => functionsOf('function a() {\n'), /never closed/)
    assert.throws(() => functionsOf('}\n'), /none opened/)
    assert.throws(() => blank("const a = 'b\n"), /does not end/)
  })
})

describe('arrows', () => {
  const complain = (path: string, specifier: string, form = 'import { a }'): string[] =>
    complaintsOf(arrow.arrows, path, `${form} from '${specifier}'\n`)

  test('that are written are allowed', () => {
    assert.deepEqual(complain('src/keeper/a.ts', '../contract/keeper.ts'), [])
    assert.deepEqual(complain('src/daemon/health/a.ts', './b.ts'), [])
    assert.deepEqual(complain('src/daemon/main.ts', './health/b.ts'), [])
    assert.deepEqual(complain('src/host/a.ts', '../contract/module.ts', 'import type { A }'), [])
    assert.deepEqual(complain('src/sdk/a.ts', '../contract/module.ts'), [])
  })

  test('that are not written are forbidden', () => {
    assert.match(complain('src/keeper/a.ts', '../contract/config/load.ts').join(), /keeper may not import/)
    assert.match(complain('src/daemon/health/a.ts', '../archive/b.ts').join(), /meet in daemon\/main\.ts/)
    assert.match(complain('src/host/a.ts', '../contract/module.ts').join(), /only types/)
    assert.match(complain('src/cli/a.ts', '../daemon/b.ts').join(), /cli may not import/)
    assert.match(complain('src/sdk/a.ts', '../core/errors.ts').join(), /sdk may not import/)
    assert.match(complain('src/cli/a.ts', '../../test/b.ts').join(), /leaves src/)
    assert.match(complain('src/lib/a.ts', './b.ts').join(), /not a folder of the house/)
  })

  test('of packages: none in core, keeper and the hand-written parsers', () => {
    for (const path of ['src/core/a.ts', 'src/keeper/a.ts', 'src/contract/keeper.ts', 'src/sdk/a.ts']) {
      assert.match(complaintsOf(arrow.packages, path, "import { z } from 'zod'\n").join(), /the package zod/)
    }
    assert.deepEqual(
      complaintsOf(arrow.packages, 'src/contract/config/a.ts', "import { z } from 'zod'\n"),
      [],
    )
  })

  test('of types do not count when the keeper runs', () => {
    const files = {
      'src/keeper/main.ts': "import type { C } from '../contract/c.ts'\n",
      'src/contract/c.ts': "import { z } from 'zod'\n",
    }
    assert.deepEqual(arrow.keeperClosure(treeOf(files)), [])
  })
})

describe('purity', () => {
  const impure = (text: string): string => complaintsOf(call.purity, 'src/core/a.ts', `${text}\n`).join()

  test('finds clocks, chance, promises and the outside', () => {
    const bad = ['new Date()', 'new Date', 'Date()', 'performance.now()', 'Math.random()', 'async () => {}']
    bad.push(
      'await a',
      'setTimeout(a, 1)',
      'process.env.A',
      'fetch(a)',
      'console.log(a)',
      'new Date(a).getHours()',
    )
    for (const text of bad) assert.notEqual(impure(`export const a = ${text}`), '', text)
    assert.match(impure("import { join } from 'node:path'"), /core imports node:path/)
  })

  test('allows a date of an argument, and words in comments and strings', () => {
    const good = [
      'new Date(wallMs).toISOString()',
      "'Date.now() await'",
      'Date.UTC(2020, 1)',
      'a.performance',
      '{ async: 1 }',
    ]
    for (const text of good) assert.equal(impure(`export const a = ${text} // Math.random`), '', text)
  })

  test('is not asked of the tests of core', () => {
    assert.deepEqual(complaintsOf(call.purity, 'src/core/a.test.ts', 'await a(Date.now())\n'), [])
  })
})

test('main.ts, and only main.ts, may read the environment and hear signals', () => {
  const text = "process.on('SIGTERM', () => a(process.argv))\n"
  assert.equal(complaintsOf(call.outsideMain, 'src/keeper/main.ts', text).length, 0)
  assert.equal(complaintsOf(call.outsideMain, 'src/keeper/loop.ts', text).length, 2)
})

test('a skipped test needs a reason', () => {
  const complain = (text: string): number => complaintsOf(call.unrunTests, 'test/a.test.ts', text).length
  assert.equal(complain("test('a', { skip: hasRoot ? false : 'needs root' }, () => {})\n"), 0)
  assert.equal(complain("t.skip('no registry')\n"), 0)
  for (const bad of [
    "test('a', { skip: true }, f)",
    "it.only('a', f)",
    "describe.skip('a', f)",
    't.skip()',
  ]) {
    assert.equal(complain(`${bad}\n`), 1, bad)
  }
})

test('an error page that tells another exit status is caught', () => {
  const page = { 'docs/errors.md': '## MARK_A\n\nWhat it is. Exit status 2.\n\nWhat to do.\n' }
  assert.match(paper.errorPages(treeOf({ ...catalogue('MARK_A: 1'), ...page })).join(), /ends with 1, not 2/)
  assert.match(paper.errorPages(treeOf({})).join(), /no catalogue/)
})

test('a dependency that nothing imports, nobody decided or the lock file has otherwise is caught', () => {
  const found = paper.dependencies(treeOf({ 'package.json': '{"dependencies":{"left-pad":"1.0.0"}}' })).join()
  for (const complaint of [/in package-lock/, /no page/, /imported by nothing/])
    assert.match(found, complaint)
})

test('what lies beside the checkout may only be used by a test that can be skipped', () => {
  const path = ['..', 'shared', 'data'].join('/')
  const complain = (file: string, text: string): number => complaintsOf(call.machinePaths, file, text).length
  assert.equal(complain('src/core/a.ts', `// ${path}\n`), 1)
  assert.equal(complain('test/a.test.ts', `use('${path}')\n`), 1)
  assert.equal(complain('test/a.test.ts', `test('a', { skip: why }, () => use('${path}'))\n`), 0)
})

test('the catalogue that the pages are compared with is the one that runs', async () => {
  const { CATALOGUE } = await import('../src/core/errors.ts')
  assert.deepEqual(Object.fromEntries(paper.catalogueOf(tree)), { ...CATALOGUE })
})

test('dead code may not hide behind its own test, but a fake may wait for one', () => {
  const own = (base: string): Record<string, string> => ({
    [`src/host/${base}.ts`]: '',
    [`src/host/${base}.test.ts`]: `import './${base}.ts'\n`,
  })
  assert.equal(arrow.deadFiles(treeOf(own('clock'))).length, 1)
  assert.equal(arrow.deadFiles(treeOf(own('fake-clock'))).length, 0)
  const used = { ...own('clock'), 'src/keeper/main.ts': "import { a } from '../host/clock.ts'\n" }
  assert.equal(arrow.deadFiles(treeOf(used)).length, 0)
})
