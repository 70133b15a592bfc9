/**
 * Which modules an operator means: names, globs (`*`, `?`, `[ab]`) and groups. Pure. A word that means
 * nothing is an error with the nearest name, never an empty success.
 */
import { MarkError } from './errors.ts'
import { nearest } from './nearest.ts'
import type { Plan } from './plan.ts'

export interface Known {
  /** In the order the answer shall have. */
  readonly modules: readonly string[]
  readonly groups: Readonly<Record<string, { readonly modules: readonly string[] }>>
}

export function knownIn(plan: Plan): Known {
  return { modules: plan.modules.map(spec => spec.name), groups: plan.groups }
}

/** Modules that `words` mean, each once, in the order of `known`. Throws MARK_NO_SUCH_MODULE. */
export function resolveTargets(words: readonly string[], known: Known): string[] {
  const found = new Set<string>()
  for (const word of words) {
    const names = meaning(word, known)
    if (names.length === 0) throw noSuchModule(word, known)
    for (const name of names) found.add(name)
  }
  return known.modules.filter(name => found.has(name))
}

function meaning(word: string, known: Known): readonly string[] {
  if (known.modules.includes(word)) return [word]
  const group = word.startsWith('group:') ? word.slice('group:'.length) : word
  if (Object.hasOwn(known.groups, group)) return known.groups[group]?.modules ?? []
  if (!/[*?[]/.test(word)) return []
  const fits = globPattern(word)
  return known.modules.filter(name => fits.test(name))
}

/** A glob as an anchored pattern over module names; everything but `*`, `?` and `[...]` is literal. */
export function globPattern(glob: string): RegExp {
  let source = ''
  for (let at = 0; at < glob.length; at++) {
    const char = glob[at] as string
    const close = char === '[' ? glob.indexOf(']', at + 2) : -1
    if (char === '*') source += '.*'
    else if (char === '?') source += '.'
    else if (close > 0) {
      const inner = glob.slice(at + 1, close)
      const negated = inner.startsWith('!') || inner.startsWith('^')
      const set = (negated ? inner.slice(1) : inner).replace(/[\\\]^]/g, '\\$&')
      source += `[${negated ? '^' : ''}${set}]`
      at = close
    } else source += char.replace(/[\\^$.|+()[\]{}*?]/g, '\\$&')
  }
  try {
    return new RegExp(`^${source}$`)
  } catch {
    return /^(?!)/ // a range such as [z-a] means nothing
  }
}

function noSuchModule(word: string, known: Known): MarkError {
  const names = [...known.modules, ...Object.keys(known.groups)]
  const near = nearest(word, names)
  const list =
    known.modules.length > 0
      ? `modules here: ${known.modules.slice(0, 12).join(' ')}`
      : 'this fleet has no modules'
  return new MarkError(
    'MARK_NO_SUCH_MODULE',
    `There is no module \`${word}\` in this fleet.`,
    near ? `did you mean \`${near}\`?` : list,
  )
}
