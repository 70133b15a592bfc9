/**
 * Sizes are judged on the maximum, because the tail is what hurts: files, functions, lines, and the keeper
 * as a whole. What is larger stands in EXCEPTIONS, in the open, with the reason; one that is no longer
 * needed is a fault.
 */
import type { Rule, Tree } from './tree.ts'

export const FILE_LINES_MAX = 400
export const FUNCTION_LINES_MAX = 60
export const LINE_CHARS_MAX = 110
export const KEEPER_LINES_MAX = 2000

/** `path` (file too long) or `path#function` -> why it may be. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {}

interface Oversize {
  readonly key: string
  readonly text: string
}

function oversizes(tree: Tree): Oversize[] {
  const found: Oversize[] = []
  for (const file of tree.sources.values()) {
    const lines = lineCount(file.text)
    if (lines > FILE_LINES_MAX) {
      found.push({ key: file.path, text: `${file.path}: ${lines} lines, at most ${FILE_LINES_MAX}` })
    }
    for (const span of file.functions) {
      if (span.isSuite || span.lines <= FUNCTION_LINES_MAX) continue
      const where = `${file.path}:${span.line}`
      const text = `${where}: ${span.name} has ${span.lines} lines, at most ${FUNCTION_LINES_MAX}`
      found.push({ key: `${file.path}#${span.name}`, text })
    }
  }
  return found
}

export const sizesWith =
  (exceptions: Readonly<Record<string, string>>): Rule =>
  tree => {
    const found = oversizes(tree)
    const stale = Object.keys(exceptions).filter(key => !found.some(oversize => oversize.key === key))
    return [
      ...found.filter(({ key }) => !exceptions[key]).map(({ text }) => text),
      ...stale.map(key => `${key}: its exception is no longer needed`),
    ]
  }

export const sizes: Rule = sizesWith(EXCEPTIONS)

export const longLines: Rule = tree => {
  const violations: string[] = []
  for (const [path, text] of tree.texts) {
    if (!/\.(?:ts|js|py)$/.test(path)) continue
    for (const [index, line] of text.split('\n').entries()) {
      const chars = [...line].length
      if (chars > LINE_CHARS_MAX) {
        violations.push(`${path}:${index + 1}: ${chars} characters, at most ${LINE_CHARS_MAX}`)
      }
    }
  }
  return violations
}

/** The keeper can be read in an hour. */
export const keeperTotal: Rule = tree => {
  const files = [...tree.sources.values()].filter(file => file.path.startsWith('src/keeper/') && !file.isTest)
  const total = files.reduce((sum, file) => sum + lineCount(file.text), 0)
  return total > KEEPER_LINES_MAX ? [`src/keeper: ${total} lines in all, at most ${KEEPER_LINES_MAX}`] : []
}

/** A module of the example fits on three screens. */
export const exampleSizes: Rule = tree =>
  [...tree.texts]
    .filter(
      ([path, text]) =>
        /^examples\/.*\.(?:py|ts)$/.test(path) && !/test_|\.test\./.test(path) && lineCount(text) > 150,
    )
    .map(([path, text]) => `${path}: ${lineCount(text)} lines, at most 150 in an example`)

export function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}
