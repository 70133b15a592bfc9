/**
 * Names and openings: kebab-case files of one concept, no drawer names, no barrels, a comment at the top of
 * each.
 */
import { publicEntries } from './arrows.ts'
import type { Rule } from './tree.ts'

const BANNED = new Set([
  ...['util', 'utils', 'utility', 'utilities', 'helper', 'helpers', 'common'],
  ...['misc', 'manager', 'managers', 'service', 'services', 'base'],
])
const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/
/** Names that other tools look for as they are. */
const GIVEN = new Set(['README.md'])
const NAMED = /^(?:src|test|scripts|bench|docs|bin|web)\//

export const fileNames: Rule = tree => {
  const violations: string[] = []
  for (const path of tree.texts.keys()) {
    if (!NAMED.test(path)) continue
    for (const part of path.split('/')) {
      if (!KEBAB.test(part) && !GIVEN.has(part)) violations.push(`${path}: ${part} is not kebab-case`)
      const word = part.split(/[-.]/).find(name => BANNED.has(name))
      if (word) violations.push(`${path}: "${word}" names a drawer, not a concept`)
    }
  }
  return violations
}

/** Only what package.json exports may gather others. */
export const barrels: Rule = tree =>
  [...tree.sources.values()]
    .filter(file => file.path.startsWith('src/') && !publicEntries(tree).includes(file.path))
    .filter(file => /\/index\.ts$/.test(file.path) || /^export\s*\*/m.test(file.code))
    .map(file => `${file.path}: a barrel; import the file that has it`)

/** What it is for, what it promises, what it must never do: before any code. */
export const openings: Rule = tree => {
  const violations: string[] = []
  for (const [path, text] of tree.texts) {
    if (!/\.(?:ts|js|py)$/.test(path) || /\.test\.ts$/.test(path)) continue
    const body = text.replace(/^#!.*\n/, '').trimStart()
    const opening = path.endsWith('.py') ? /^(?:"""|#)/ : /^(?:\/\*|\/\/)/
    if (!opening.test(body)) violations.push(`${path}:1: opens without a comment`)
  }
  return violations
}

export const banners: Rule = tree => {
  const violations: string[] = []
  for (const [path, text] of tree.texts) {
    if (!/\.(?:ts|js|py)$/.test(path)) continue
    for (const [index, line] of text.split('\n').entries()) {
      if (/^\s*(?:\/\/|\/?\*|#)\s*([-=#*~_])\1{4,}/.test(line))
        violations.push(`${path}:${index + 1}: a banner`)
    }
  }
  return violations
}
