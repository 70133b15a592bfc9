/**
 * What is written agrees with what is there: the error catalogue with docs/errors.md, the dependencies with
 * their decision pages and the lock file, links with files.
 */
import { posix } from 'node:path'
import type { Rule, Tree } from './tree.ts'

const CATALOGUE = 'src/core/errors.ts'
const ERRORS = 'docs/errors.md'

/** Codes that stand in the catalogue before anything says them, each with the reason. */
export const CODES_IN_WAITING: Readonly<Record<string, string>> = {}

/** Code -> exit status, as the catalogue's text has it. */
export function catalogueOf(tree: Tree): Map<string, number> {
  const body = /CATALOGUE = \{([\s\S]*?)\n\}/.exec(tree.texts.get(CATALOGUE) ?? '')?.[1] ?? ''
  return new Map(
    [...body.matchAll(/^\s*(MARK_\w+): (\d+),/gm)].map(match => [match[1] as string, Number(match[2])]),
  )
}

export const errorPages: Rule = tree => {
  const catalogue = catalogueOf(tree)
  if (catalogue.size === 0) return [`${CATALOGUE}: no catalogue was found`]
  const violations: string[] = []
  const sections = (tree.texts.get(ERRORS) ?? '').split(/^## /m).slice(1)
  const documented = new Set<string>()
  for (const section of sections) {
    const code = /^(MARK_\w+)\n/.exec(section)?.[1]
    if (!code) continue
    if (documented.has(code)) violations.push(`${ERRORS}: ${code} stands there twice`)
    documented.add(code)
    if (!catalogue.has(code)) violations.push(`${ERRORS}: ${code} is not in the catalogue`)
    if (section.trim().split('\n').length < 3) violations.push(`${ERRORS}: ${code} is not explained`)
    const status = /[Ee]xit status:? (\d+)/.exec(section)?.[1]
    if (status !== undefined && Number(status) !== catalogue.get(code)) {
      violations.push(`${ERRORS}: ${code} ends with ${catalogue.get(code)}, not ${status}`)
    }
  }
  for (const code of catalogue.keys()) {
    if (!documented.has(code)) violations.push(`${CATALOGUE}: ${code} has no section in ${ERRORS}`)
  }
  return violations
}

export const unusedCodes: Rule = tree => {
  const said = [...tree.sources.values()]
    .filter(file => !file.isTest && file.path !== CATALOGUE)
    .map(file => file.text)
    .join('\n')
  const violations: string[] = []
  for (const code of catalogueOf(tree).keys()) {
    const isSaid = new RegExp(`\\b${code}\\b`).test(said)
    if (!isSaid && !CODES_IN_WAITING[code]) violations.push(`${CATALOGUE}: nothing says ${code}`)
    if (isSaid && CODES_IN_WAITING[code]) violations.push(`${CATALOGUE}: ${code} no longer waits`)
  }
  return violations
}

interface Manifest {
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
}

/** What package-lock.json says of one installed package. */
interface Locked {
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

const KINDS = ['dependencies', 'optionalDependencies', 'devDependencies'] as const

export const dependencies: Rule = tree => {
  const manifest = JSON.parse(tree.texts.get('package.json') ?? '{}') as Manifest
  const lock = JSON.parse(tree.texts.get('package-lock.json') ?? '{}') as {
    packages?: Record<string, Manifest>
  }
  const decisions = [...tree.texts]
    .filter(([path]) => path.startsWith('docs/decisions/'))
    .map(([, text]) => text)
  const violations: string[] = []
  for (const kind of KINDS) {
    const locked = lock.packages?.['']?.[kind] ?? {}
    for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
      const say = (what: string): number => violations.push(`package.json: ${name} ${what}`)
      if (!/^\d+\.\d+\.\d+$/.test(version)) say(`is not pinned exactly: ${version}`)
      if (locked[name] !== version) say(`is ${version} here and ${locked[name]} in package-lock.json`)
      if (!decisions.some(text => text.includes(`\`${name}\``))) say('has no page in docs/decisions')
      if (kind === 'dependencies' && !isImported(tree, name)) say('is imported by nothing')
    }
  }
  return violations
}

/**
 * `npm ci` refuses a lock file that leaves out a package for another platform, and npm leaves it out when the
 * registry it asked does not have it.
 */
export const lockFile: Rule = tree => {
  const lock = JSON.parse(tree.texts.get('package-lock.json') ?? '{}') as {
    packages?: Record<string, Locked>
  }
  const locked = lock.packages ?? {}
  const violations: string[] = []
  for (const [path, entry] of Object.entries(locked)) {
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      const isThere = locked[`node_modules/${name}`] ?? locked[`${path}/node_modules/${name}`]
      if (!isThere) violations.push(`package-lock.json: ${path} needs ${name}, which is left out`)
    }
  }
  return violations
}

function isImported(tree: Tree, name: string): boolean {
  return [...tree.sources.values()].some(
    file =>
      file.path.startsWith('src/') &&
      !file.isTest &&
      file.imports.some(({ specifier }) => specifier === name || specifier.startsWith(`${name}/`)),
  )
}

/** A decision is one page with a date-free number, a title, and the headings a reader looks for. */
export const decisionPages: Rule = tree => {
  const violations: string[] = []
  const pages = [...tree.texts.keys()].filter(path => path.startsWith('docs/decisions/'))
  const numbers = new Set<string>()
  for (const path of pages) {
    const number = /\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1]
    if (!number) violations.push(`${path}: is not named NNNN-what-was-decided.md`)
    else if (numbers.has(number)) violations.push(`${path}: ${number} is taken`)
    else numbers.add(number)
    const lines = (tree.texts.get(path) as string).split('\n')
    if (!lines[0]?.startsWith('# ')) violations.push(`${path}: has no title`)
    if (lines.length > 60) violations.push(`${path}: is longer than a page`)
  }
  return violations
}

/** Relative links of every page lead to a file or folder that is there. */
export const deadLinks: Rule = tree => {
  const violations: string[] = []
  const paths = [...tree.texts.keys()]
  for (const [path, text] of tree.texts) {
    if (!path.endsWith('.md')) continue
    for (const [, link] of text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)/g)) {
      const target = posix.join(posix.dirname(path), link as string).replace(/\/$/, '')
      if (target === '.' || paths.some(other => other === target || other.startsWith(`${target}/`))) continue
      violations.push(`${path}: links to ${link}, which is not there`)
    }
  }
  return violations
}
