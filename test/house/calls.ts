/**
 * Calls that are banned where they would do harm: clocks, chance and promises in core; the environment,
 * arguments and signals outside main.ts; tests that are silently not run; paths of one machine.
 */
import { publicEntries } from './arrows.ts'
import { lineAt } from './scan.ts'
import type { Rule, SourceFile, Tree } from './tree.ts'

type Ban = readonly [pattern: RegExp, why: string]

const IMPURE: readonly Ban[] = [
  [/\bDate\.now\b/g, 'reads the clock'],
  [/\bnew Date\s*(?!\s*\()/g, 'reads the clock'],
  [/\bnew Date\(\s*\)/g, 'reads the clock'],
  [/(?<!new )(?<![\w.$])Date\(/g, 'reads the clock'],
  [/\.(?:get|set)(?:Hours|Minutes|Date|Day|Month|FullYear|TimezoneOffset)\(/g, 'depends on where it runs'],
  [/\.toLocale\w*String\(/g, 'depends on where it runs'],
  [/(?<![\w.$])performance\b/g, 'reads the clock'],
  [/\bMath\.random\b/g, 'rolls dice: chance is an argument'],
  [/(?<![\w.$])(?:async|await)\b(?!\s*[:?,=}])/g, 'is asynchronous'],
  [/(?<![\w.$])(?:setTimeout|setInterval|setImmediate|queueMicrotask|Promise)\b/g, 'is asynchronous'],
  [/(?<![\w.$])(?:globalThis|console|crypto)\s*\.|(?<![\w.$])(?:fetch|require)\(/g, 'reaches outside'],
  [
    /(?<![\w.$])process\.(?:env|argv|on|once|exit|pid|cwd|hrtime|uptime|nextTick|kill|std)/g,
    'reaches outside',
  ],
]

/** core is data in, data out. Its tests may do as they like. */
export const purity: Rule = tree => {
  const violations = scan(tree, file => file.path.startsWith('src/core/') && !file.isTest, IMPURE)
  for (const file of tree.sources.values()) {
    if (!file.path.startsWith('src/core/') || file.isTest) continue
    for (const { specifier, line } of file.imports) {
      if (!specifier.startsWith('.')) violations.push(`${file.path}:${line}: core imports ${specifier}`)
    }
  }
  return violations
}

const OUTSIDE: readonly Ban[] = [
  [/\bprocess\.(?:env|argv)\b/g, 'only main.ts reads process.env and process.argv'],
  [/\bprocess\s*\.\s*(?:on|once|addListener|prependListener)\(/g, 'only main.ts listens to the process'],
]

/** The environment is an argument: see CONTRIBUTING. A public door is somebody else's main.ts. */
export const outsideMain: Rule = tree => {
  const doors = publicEntries(tree)
  const isOurs = ({ path, isTest }: SourceFile): boolean =>
    path.startsWith('src/') && !isTest && !/(?:^|\/)main\.ts$/.test(path) && !doors.includes(path)
  const violations = scan(tree, isOurs, OUTSIDE)
  for (const file of tree.sources.values()) {
    if (!isOurs(file)) continue
    for (const { specifier, line } of file.imports) {
      if (specifier === 'node:process')
        violations.push(`${file.path}:${line}: only main.ts imports node:process`)
    }
  }
  return violations
}

const UNRUN: readonly Ban[] = [
  [/\.only\(|\bonly:\s*true\b/g, 'runs alone and hides the rest'],
  [/\b(?:test|it|describe|suite)\.(?:skip|todo)\(/g, 'is not run and does not say why: use { skip: reason }'],
  [/\b(?:skip|todo):\s*true\b/g, 'is not run and does not say why'],
  [/\b(?:t|context|ctx)\.(?:skip|todo)\(\s*\)/g, 'is not run and does not say why'],
]

export const unrunTests: Rule = tree => scan(tree, file => file.isTest, UNRUN)

const slash = '/'
const MACHINE = new RegExp(
  `(?<![\\w.])(?:${slash}work${slash}|${slash}root${slash}|${slash}tmp${slash}brief)`,
  'g',
)
const SHARED = new RegExp(`\\.\\.${slash}shared\\b`, 'g')

/** Nothing here knows the machine it was written on, or needs what lies beside the checkout. */
export const machinePaths: Rule = tree => {
  const violations: string[] = []
  for (const [path, text] of tree.texts) {
    for (const match of text.matchAll(MACHINE)) {
      violations.push(`${path}:${lineAt(text, match.index)}: a path of one machine, ${match[0]}`)
    }
    for (const match of text.matchAll(SHARED)) {
      const skips = /\.test\.(?:ts|js)$/.test(path) && /\bskip\b/.test(text)
      if (!skips) violations.push(`${path}:${lineAt(text, match.index)}: needs what lies beside the checkout`)
    }
  }
  return violations
}

function scan(tree: Tree, isMeant: (file: SourceFile) => boolean, bans: readonly Ban[]): string[] {
  const violations: string[] = []
  for (const file of tree.sources.values()) {
    if (!isMeant(file)) continue
    for (const [pattern, why] of bans) {
      for (const match of file.code.matchAll(pattern)) {
        violations.push(`${file.path}:${lineAt(file.code, match.index)}: \`${match[0].trim()}\` ${why}`)
      }
    }
  }
  return violations
}
