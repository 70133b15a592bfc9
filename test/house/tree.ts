/**
 * The tree that the house rules look at: every file of the repository as text, read once. A rule is a pure
 * function from a Tree to violations, so that the rules themselves are tested on small bad trees.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { blank, eraseTypes, type FunctionSpan, functionsOf, type Import, importsOf } from './scan.ts'

export interface SourceFile {
  readonly path: string
  readonly text: string
  /** As blank().code. */
  readonly code: string
  readonly imports: readonly Import[]
  readonly functions: readonly FunctionSpan[]
  readonly isTest: boolean
}

export interface Tree {
  readonly texts: ReadonlyMap<string, string>
  /** TypeScript and JavaScript. */
  readonly sources: ReadonlyMap<string, SourceFile>
  /** Files that could not be read as TypeScript at all. */
  readonly unreadable: readonly string[]
}

/** `path:line: sentence`. */
export type Rule = (tree: Tree) => string[]

const SKIPPED = /(?:^|\/)(?:\.git|node_modules|\.mark|__pycache__)$|^(?:dist|schema|bench\/results)$/
const TEXTS = /\.(?:ts|js|py|md|json|ya?ml|sh|svg|txt)$|^bin\/mark$|^\.ci\/run$|^LICENSE$|^NOTICE$/

export function readTree(root: string): Tree {
  const texts: Record<string, string> = {}
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name)
      if (entry.isDirectory() && !SKIPPED.test(path)) walk(path)
      if (entry.isFile() && TEXTS.test(path)) texts[path] = readFileSync(join(root, path), 'utf8')
    }
  }
  walk('.')
  return treeOf(texts)
}

/** A tree out of memory: path to text. */
export function treeOf(texts: Readonly<Record<string, string>>): Tree {
  const sources = new Map<string, SourceFile>()
  const unreadable: string[] = []
  for (const [path, text] of Object.entries(texts)) {
    if (!/\.(?:ts|js)$/.test(path) && path !== 'bin/mark') continue
    try {
      sources.set(path, parse(path, text))
    } catch (error) {
      unreadable.push(`${path}: ${(error as Error).message}`)
    }
  }
  return { texts: new Map(Object.entries(texts)), sources, unreadable }
}

function parse(path: string, text: string): SourceFile {
  const erased = path.endsWith('.ts') ? eraseTypes(text) : text
  return {
    path,
    text,
    code: blank(text).code,
    imports: importsOf(text, erased),
    functions: functionsOf(erased),
    isTest: isTest(path),
  }
}

export function isTest(path: string): boolean {
  return path.startsWith('test/') || /\.test\.(?:ts|js)$/.test(path)
}

/** The file that a relative specifier names, or null for a package or a built-in. */
export function targetOf(file: SourceFile, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file.path), specifier) : null
}

/** `@scope/name` or `name` of a package import; null for relative and built-in ones. */
export function packageOf(specifier: string): string | null {
  if (specifier === '' || specifier.startsWith('.') || specifier.startsWith('node:')) return null
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}
