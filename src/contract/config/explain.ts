/**
 * What one key of mark.yaml is: for `mark config explain`. Pure: takes the located tree (or none) and the
 * schema. Shows no value whose name looks like a secret.
 */
import {
  formatPath,
  isNull,
  keyPlaceAt,
  type LocatedNode,
  type MapNode,
  nodeAt,
  type Path,
  toPlain,
} from './located.ts'
import { didYouMean, looksSecret, maskSecrets, type Place } from './problem.ts'
import { fleetSchema } from './schema.ts'
import { defaultAt, descriptionAt, expectedAt, keysAt, schemasAt } from './schema-walk.ts'

export interface Explanation {
  readonly key: string
  readonly meaning: string | null
  readonly expected: string | null
  /** As it would be written; null if there is none, or if `meaning` says what it depends on. */
  readonly default: unknown
  /** What holds now; null if nothing is written and there is no default. A map is shown by its keys alone. */
  readonly value: unknown
  /** Where the value is written; null if it is the default. */
  readonly from: Place | null
  readonly keys: readonly { readonly key: string; readonly meaning: string | null }[]
}

/** In this order: a word that is several (env_file, secrets) means the fleet's, then the module's. */
const SHORT: readonly Path[] = [[], ['modules', '<name>'], ['jobs', '<name>']]

const isKnown = (path: Path): boolean => schemasAt(fleetSchema, path).length > 0

/**
 * `key`: `modules.vida.restart.delay`, `restart.delay` for any module, `overlap` for any job, `modules` ...
 * Unknown: a hint instead.
 */
export function explain(tree: MapNode | null, key: string): Explanation | { readonly hint: string | null } {
  const written = key.split(/[.[\]]+/).filter(part => part !== '')
  const path = SHORT.map(above => [...above, ...written]).find(isKnown)
  if (path === undefined) return { hint: hintFor(written) }
  const node = tree === null ? undefined : nodeAt(tree, path)
  const set = node !== undefined && !isNull(node)
  const fallback = defaultAt(fleetSchema, path)
  const below = keysAt(fleetSchema, path)
  const own = node?.kind === 'map' && below.length === 0 ? [...node.entries.keys()] : below
  return {
    key: formatPath(path),
    meaning: descriptionAt(fleetSchema, path),
    expected: expectedAt(fleetSchema, path),
    default: isPlainDefault(fallback) ? fallback : null,
    value: set ? shown(node, path) : isPlainDefault(fallback) ? fallback : null,
    from: set && tree !== null ? placeOfValue(tree, path) : null,
    keys: own.map(name => ({ key: name, meaning: descriptionAt(fleetSchema, [...path, name]) })),
  }
}

/** `{}` stands for a map of defaults, each explained on its own. */
function isPlainDefault(value: unknown): boolean {
  if (value === undefined) return false
  return !(
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length === 0
  )
}

function shown(node: LocatedNode, path: Path): unknown {
  const free = path.includes('environment') || path.includes('params')
  if (free && looksSecret(String(path.at(-1)))) return '***'
  if (node.kind === 'scalar') return maskSecrets(node.text)
  return node.kind === 'map' ? null : toPlain(node, true)
}

function placeOfValue(tree: MapNode, path: Path): Place {
  const node = nodeAt(tree, path)
  return node && node.kind !== 'map' ? node.at : keyPlaceAt(tree, path)
}

function hintFor(path: readonly string[]): string | null {
  for (let length = path.length - 1; length >= 0; length--) {
    const parent = path.slice(0, length)
    for (const base of SHORT.map(above => [...above, ...parent])) {
      const known = keysAt(fleetSchema, base)
      if (known.length === 0) continue
      const wrong = path[length] as string
      const short = length === 0 ? SHORT.flatMap(above => keysAt(fleetSchema, above)) : []
      return didYouMean(wrong, [...new Set([...known, ...short])])
    }
  }
  return null
}
