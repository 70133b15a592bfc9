/**
 * Who may import whom (DESIGN: arrows), which packages may enter which folder, no cycles, nothing
 * unreachable. Type imports count everywhere but in the keeper's run-time closure.
 */
import type { Import } from './scan.ts'
import { packageOf, type Rule, type SourceFile, type Tree, targetOf } from './tree.ts'

/** Folder under src -> prefixes under src it may import; its own folder is always allowed. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  contract: ['core/'],
  host: ['core/', 'contract/'], // contract: types only, checked below
  keeper: ['core/', 'contract/keeper.ts', 'contract/notify.ts', 'host/'],
  daemon: ['core/', 'contract/', 'host/', 'backends/', 'channels/'],
  builtin: ['core/', 'contract/', 'host/'],
  backends: ['core/', 'contract/', 'host/'],
  channels: ['core/', 'contract/', 'host/'],
  importers: ['core/', 'contract/', 'host/'],
  cli: ['core/', 'contract/', 'host/', 'importers/'],
  sdk: ['contract/module.ts', 'contract/module-topic.ts'],
}

/** Folder -> packages that its files (not its tests) may import. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  contract: ['zod', 'yaml', 'croner'],
  host: ['koffi'],
  daemon: ['hono', '@hono/node-server', 'zod'],
  cli: ['commander', 'string-width', 'yaml'],
  builtin: ['aedes'],
}
const TEST_PACKAGES = ['fast-check', 'yaml', 'zod', 'hono', 'string-width']

/** Parsed by hand so that no schema library enters the keeper or a module. */
const NO_PACKAGES = [
  'src/contract/keeper.ts',
  'src/contract/notify.ts',
  'src/contract/module.ts',
  'src/contract/module-topic.ts',
]

function folderOf(path: string): string {
  return path.split('/')[1] ?? ''
}

export const arrows: Rule = tree => {
  const violations: string[] = []
  for (const file of tree.sources.values()) {
    if (!file.path.startsWith('src/')) continue
    for (const { specifier, kind, line } of file.imports) {
      const target = targetOf(file, specifier)
      if (target === null || kind === 'url' || kind === 'computed') continue
      const why = forbidden(file, target, kind)
      if (why) violations.push(`${file.path}:${line}: ${why}`)
    }
  }
  return violations
}

function forbidden(file: SourceFile, target: string, kind: 'value' | 'type'): string | null {
  const from = folderOf(file.path)
  const allowed = ARROWS[from]
  if (!allowed) return `src/${from} is not a folder of the house`
  if (!target.startsWith('src/')) {
    return file.isTest || kind === 'type' ? null : `leaves src: ${target}`
  }
  const inner = target.slice('src/'.length)
  if (folderOf(target) === from) return siblings(file, target)
  if (!allowed.some(prefix => inner.startsWith(prefix))) return `${from} may not import ${inner}`
  const typesOnly = from === 'host' && inner.startsWith('contract/') && !file.isTest
  return typesOnly && kind !== 'type' ? `host may import only types of ${inner}` : null
}

/** daemon/<a> never imports daemon/<b>: they meet in daemon/main.ts. Likewise builtin/<a>. */
function siblings(file: SourceFile, target: string): string | null {
  const [, folder, part, ...rest] = file.path.split('/')
  const [, , otherPart, ...otherRest] = target.split('/')
  if (folder !== 'daemon' && folder !== 'builtin') return null
  if (rest.length === 0 || otherRest.length === 0 || part === otherPart) return null
  return `${folder}/${part} may not import ${folder}/${otherPart}: they meet in ${folder}/main.ts`
}

export const packages: Rule = tree => {
  const violations: string[] = []
  for (const file of tree.sources.values()) {
    if (!file.path.startsWith('src/')) continue
    const allowed = [...(PACKAGES[folderOf(file.path)] ?? []), ...(file.isTest ? TEST_PACKAGES : [])]
    for (const { specifier, line } of file.imports) {
      const name = packageOf(specifier)
      if (name === null) continue
      if (!allowed.includes(name) || NO_PACKAGES.includes(file.path)) {
        violations.push(`${file.path}:${line}: ${folderOf(file.path)} may not import the package ${name}`)
      } else if (name === 'koffi' && file.path !== 'src/host/libc.ts') {
        violations.push(`${file.path}:${line}: koffi is imported only in src/host/libc.ts`)
      }
    }
  }
  return violations
}

/** Built-ins that only host may touch, by the folder that might be tempted. */
const HOST_ONLY: Readonly<Record<string, RegExp>> = {
  contract: /^node:(?!path$|crypto$|util$|url$)/,
  keeper: /^node:(?:child_process|net|dgram|https?|worker_threads|cluster|sqlite|timers)/,
  daemon: /^node:(?:child_process|dgram|cluster)/,
  cli: /^node:(?:child_process|net|dgram|cluster|sqlite)/,
}

/** host is the only place that touches Linux; reading a plain file is left to keeper, daemon and cli. */
export const edges: Rule = tree =>
  [...tree.sources.values()]
    .filter(file => file.path.startsWith('src/') && !file.isTest)
    .flatMap(file =>
      file.imports
        .filter(({ specifier }) => HOST_ONLY[folderOf(file.path)]?.test(specifier))
        .map(({ specifier, line }) => `${file.path}:${line}: ${specifier} belongs to host`),
    )

/** All that the keeper loads at run time is ours, Node's, or koffi. */
export const keeperClosure: Rule = tree => {
  const violations: string[] = []
  for (const path of reach(tree, ['src/keeper/main.ts'], ['value'])) {
    for (const { specifier, kind, line } of tree.sources.get(path)?.imports ?? []) {
      const name = packageOf(specifier)
      if (kind === 'value' && name !== null && name !== 'koffi') {
        violations.push(`${path}:${line}: ${name} would be loaded by the keeper`)
      }
    }
  }
  return violations
}

/** An import that no one can follow hides an arrow. */
export const computedImports: Rule = tree =>
  [...tree.sources.values()]
    .filter(file => file.path.startsWith('src/') && !file.isTest)
    .flatMap(file =>
      file.imports
        .filter(({ kind }) => kind === 'computed')
        .map(({ line }) => `${file.path}:${line}: imports a computed name`),
    )

export const brokenImports: Rule = tree =>
  [...tree.sources.values()].flatMap(file =>
    file.imports
      .map(({ specifier, line }) => ({ target: targetOf(file, specifier), line }))
      .filter(({ target }) => target?.startsWith('src/') && /\.ts$/.test(target) && !tree.sources.has(target))
      .map(({ target, line }) => `${file.path}:${line}: there is no ${target}`),
  )

/** Every group of files that import each other in a ring, type imports included. */
export const cycles: Rule = tree => {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const rings: string[] = []
  const visit = (path: string): void => {
    index.set(path, index.size)
    low.set(path, index.get(path) as number)
    stack.push(path)
    for (const next of targets(tree, path, ['value', 'type'])) {
      if (!index.has(next)) visit(next)
      if (stack.includes(next)) low.set(path, Math.min(low.get(path) as number, low.get(next) as number))
    }
    if (low.get(path) !== index.get(path)) return
    const ring = stack.splice(stack.indexOf(path))
    if (ring.length > 1) rings.push(`${path}: in a ring of imports with ${ring.slice(1).sort().join(', ')}`)
  }
  for (const path of tree.sources.keys()) if (!index.has(path)) visit(path)
  return rings
}

/**
 * Every file of src is reached from a main.ts, a public entry, bin, scripts, bench, examples, or a test that
 * is not its own: code that only its own test calls is dead. Fakes (`*-fake.ts`, `fake-*.ts`) may wait for
 * their test.
 */
export const deadFiles: Rule = tree => {
  const own = (path: string): string => path.replace(/\.test\.ts$/, '.ts')
  const roots = [...tree.sources.keys()].filter(
    path => !path.startsWith('src/') || /(?:^|\/)main\.ts$/.test(path) || publicEntries(tree).includes(path),
  )
  const alive = reach(tree, roots, ['value', 'type', 'url'])
  for (const file of tree.sources.values()) {
    if (!file.path.startsWith('src/') || !file.isTest) continue
    alive.add(file.path)
    const others = targets(tree, file.path, ['value', 'type', 'url']).filter(path => path !== own(file.path))
    for (const path of reach(tree, others, ['value', 'type', 'url'])) alive.add(path)
  }
  return [...tree.sources.keys()]
    .filter(path => path.startsWith('src/') && !alive.has(path) && !/(?:^|[-/])fake[-.]/.test(path))
    .map(path => `${path}: nothing but perhaps its own test imports it`)
}

/** `exports` of package.json, as files of src. */
export function publicEntries(tree: Tree): string[] {
  const manifest = JSON.parse(tree.texts.get('package.json') ?? '{}') as { exports?: unknown }
  const files = JSON.stringify(manifest.exports ?? {}).match(/\.\/dist\/[^"]+\.js/g) ?? []
  return files.map(file => file.replace('./dist/', 'src/').replace(/\.js$/, '.ts'))
}

type Kinds = readonly Import['kind'][]

function targets(tree: Tree, path: string, kinds: Kinds): string[] {
  const file = tree.sources.get(path)
  if (!file) return []
  return file.imports
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ specifier }) => targetOf(file, specifier))
    .filter(target => target !== null && tree.sources.has(target)) as string[]
}

function reach(tree: Tree, roots: readonly string[], kinds: Kinds): Set<string> {
  const seen = new Set(roots.filter(path => tree.sources.has(path)))
  for (const path of seen) for (const next of targets(tree, path, kinds)) seen.add(next)
  return seen
}
