/**
 * A configuration as a tree that remembers where each value was written, through interpolation, includes
 * and merged defaults. Values are immutable; every function here returns a new tree.
 */
import type { Place } from './problem.ts'

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly at: Place
  readonly value: string | number | boolean | null
  /** As written, before interpolation: what may be shown to a person. */
  readonly source: string
  /** As written, after interpolation: `1.10` stays `1.10` where text is wanted. */
  readonly text: string
  /** Not quoted: after interpolation it may be a number or a truth value. */
  readonly plain: boolean
}
export interface ListNode {
  readonly kind: 'list'
  readonly at: Place
  readonly items: readonly LocatedNode[]
}
export interface Entry {
  readonly keyAt: Place
  readonly node: LocatedNode
}
export interface MapNode {
  readonly kind: 'map'
  readonly at: Place
  readonly entries: ReadonlyMap<string, Entry>
}
export type LocatedNode = ScalarNode | ListNode | MapNode
export type Path = readonly (string | number)[]

export function mapOf(at: Place, entries: Iterable<readonly [string, Entry]>): MapNode {
  return { kind: 'map', at, entries: new Map(entries) }
}

export function textNode(at: Place, text: string): ScalarNode {
  return { kind: 'scalar', at, value: text, source: text, text, plain: false }
}

export function isNull(node: LocatedNode): boolean {
  return node.kind === 'scalar' && node.value === null
}

export function textOf(node: LocatedNode | undefined): string | null {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : null
}

export function child(node: LocatedNode | undefined, key: string | number): LocatedNode | undefined {
  if (node?.kind === 'map') return node.entries.get(String(key))?.node
  if (node?.kind === 'list') return node.items[Number(key)]
  return undefined
}

export function nodeAt(tree: LocatedNode, path: Path): LocatedNode | undefined {
  return path.reduce<LocatedNode | undefined>((node, key) => child(node, key), tree)
}

/** Where the value at `path` stands; for one that is missing, where the nearest key above it stands. */
export function placeAt(tree: LocatedNode, path: Path): Place {
  let place = tree.at
  let node: LocatedNode | undefined = tree
  for (const key of path) {
    const entry: Entry | undefined = node?.kind === 'map' ? node.entries.get(String(key)) : undefined
    node = child(node, key)
    if (!node) return place
    place = entry?.keyAt ?? node.at
  }
  return node !== undefined && node.kind !== 'map' ? node.at : place
}

/** Where the last key of `path` stands (not its value). */
export function keyPlaceAt(tree: LocatedNode, path: Path): Place {
  const parent = nodeAt(tree, path.slice(0, -1))
  const entry = parent?.kind === 'map' ? parent.entries.get(String(path.at(-1))) : undefined
  return entry?.keyAt ?? placeAt(tree, path)
}

export function formatPath(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    return text === '' ? key : `${text}.${key}`
  }, '')
}

/** Keys whose scalars are text however they look: `environment: { PORT: 0080 }`, `umask: 022`. */
const TEXT_KEYS: ReadonlySet<string> = new Set([
  'environment',
  'params',
  'command',
  'exec',
  'before',
  'verify',
  'umask',
  'user',
  'lock',
  'timezone',
  'outputs',
])

/** Plain JavaScript for the schema. A key without a value is a key not set, except in `environment`. */
export function toPlain(node: LocatedNode, wantsText = false): unknown {
  if (node.kind === 'scalar') return wantsText && node.value !== null ? node.text : node.value
  if (node.kind === 'list') return node.items.map(item => toPlain(item, wantsText))
  const plain: Record<string, unknown> = Object.create(null)
  for (const [key, { node: inner }] of node.entries) {
    if (isNull(inner) && !wantsText) continue
    plain[key] = toPlain(inner, wantsText || TEXT_KEYS.has(key))
  }
  return plain
}

/** Kinds of one question: naming one in a module drops another kind that came from the defaults. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  ready: ['notify', 'http', 'tcp', 'exec', 'log', 'delay'],
  health: ['http', 'tcp', 'exec'],
}

/** `over` wins; maps are merged key by key, everything else is replaced. A key without a value unsets it. */
export function merge(under: LocatedNode, over: LocatedNode, key = ''): LocatedNode {
  if (under.kind !== 'map' || over.kind !== 'map') return over
  const entries = new Map(under.entries)
  const choices = CHOICES[key] ?? []
  if (choices.some(choice => over.entries.has(choice))) for (const choice of choices) entries.delete(choice)
  for (const [name, entry] of over.entries) {
    const below = under.entries.get(name)
    entries.set(name, below ? { keyAt: entry.keyAt, node: merge(below.node, entry.node, name) } : entry)
  }
  return { kind: 'map', at: over.at, entries }
}
