/**
 * Compares a located tree with a schema and says every difference as a problem with its place: the value as
 * it was written, what was expected, and the nearest known key.
 */
import type { z } from 'zod'
import { FOREIGN_KEYS, FOREIGN_TO_JOBS } from './foreign-keys.ts'
import { formatPath, keyPlaceAt, type LocatedNode, nodeAt, type Path, placeAt, toPlain } from './located.ts'
import { nearest } from '../../core/nearest.ts'
import { didYouMean, looksSecret, maskSecrets, printable, type Report } from './problem.ts'
import { NAME_EXPECTED } from './schema-parts.ts'
import { expectedAt, keysAt } from './schema-walk.ts'

type Issue = z.core.$ZodIssue

/** The parsed value of `tree` at `path`, or null when it does not fit; `schema` describes that value. */
export function validate<T extends z.ZodType>(
  schema: T,
  tree: LocatedNode,
  path: Path,
  report: Report,
): z.infer<T> | null {
  const node = nodeAt(tree, path)
  const result = schema.safeParse(node ? toPlain(node) : {})
  if (result.success) return result.data
  for (const issue of result.error.issues)
    for (const one of unfold(issue)) say(schema, tree, path, one, report)
  return null
}

/**
 * Of a union, the branch that came furthest tells best what is wrong; if all fail at the root, the union
 * itself.
 */
function unfold(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const branches = issue.errors.filter(branch =>
    branch.every(inner => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  )
  const best = branches.sort((a, b) => a.length - b.length)[0]
  if (!best) return [issue]
  return best.flatMap(inner => unfold({ ...inner, path: [...issue.path, ...inner.path] } as Issue))
}

function say(schema: z.ZodType, tree: LocatedNode, base: Path, issue: Issue, report: Report): void {
  const inner = issue.path as Path
  const path = [...base, ...inner]
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) sayUnknownKey(schema, tree, path, inner, key, report)
    return
  }
  if (issue.code === 'invalid_key') {
    const key = String(path.at(-1))
    const fits = key.toLowerCase().replace(/[^a-z0-9_-]+/g, '-')
    const message = `\`${printable(key)}\` is not ${keyExpected(path)}`
    const hint = /^[a-z]/.test(fits) && fits !== key ? `\`${fits}\` would be one` : null
    report.error({ at: keyPlaceAt(tree, path), path: formatPath(path), message, hint })
    return
  }
  const node = nodeAt(tree, path)
  const expected = expectedAt(schema, inner) ?? 'what is expected here'
  const at = placeAt(tree, path)
  if (!node) {
    report.error({
      at,
      path: formatPath(path),
      message: `\`${String(path.at(-1))}\` is missing: ${expected}`,
    })
    return
  }
  report.error({
    at,
    path: formatPath(path),
    message: `${show(node, path)} is not ${expected}`,
    hint: hintFor(node, expected),
  })
}

function keyExpected(path: Path): string {
  const parent = path.at(-2)
  const variables = ['environment', 'secrets', 'params']
  return variables.includes(String(parent)) ? 'the name of an environment variable' : NAME_EXPECTED
}

function sayUnknownKey(
  schema: z.ZodType,
  tree: LocatedNode,
  path: Path,
  inner: Path,
  key: string,
  report: Report,
): void {
  const full = [...path, key]
  const known = keysAt(schema, inner)
  const parent = path.length === 0 ? 'mark.yaml' : `\`${formatPath(path)}\``
  const ofJobs = path.length === 2 && path[0] === 'jobs' ? own(FOREIGN_TO_JOBS, key) : undefined
  const foreign = ofJobs ?? (nearest(key, known) === null ? own(FOREIGN_KEYS, key) : undefined)
  report.error({
    at: keyPlaceAt(tree, full),
    path: formatPath(full),
    message: `\`${printable(key)}\` is not a key of ${parent}`,
    hint: foreign ?? didYouMean(key, known),
  })
}

/** A key may be `constructor`. */
function own(hints: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(hints, key) ? hints[key] : undefined
}

/** As written, short; what may be a secret is not shown. */
function show(node: LocatedNode, path: Path): string {
  if (node.kind === 'list') return 'a list'
  if (node.kind === 'map') return 'a map'
  if (node.value === null) return 'nothing'
  if (path.some(key => looksSecret(String(key)))) return 'this value'
  const short = node.source.length > 60 ? `${node.source.slice(0, 57)}...` : node.source
  const text = maskSecrets(printable(short))
  return typeof node.value === 'string' ? `"${text}"` : text
}

function hintFor(node: LocatedNode, expected: string): string | null {
  if (node.kind !== 'scalar') return null
  const text = String(node.value)
  if (expected.startsWith('a duration')) return durationHint(text)
  if (expected.startsWith('a size')) {
    const match = /^([\d.]+)\s*([kmg])i?b?$/i.exec(text)
    return match ? `write ${match[1]}${match[2]?.toUpperCase()}` : null
  }
  if (expected.startsWith('one of ')) {
    const near = nearest(text, expected.slice(7).split(', '))
    return near === null ? null : `did you mean ${near}?`
  }
  if (expected === 'true or false' && /^(yes|no|on|off)$/i.test(text))
    return `write ${/^(yes|on)$/i.test(text)}`
  if (expected.startsWith('a name')) {
    const fits = text.toLowerCase().replace(/[^a-z0-9_-]+/g, '-')
    return /^[a-z]/.test(fits) && fits !== text ? `\`${fits}\` would be one` : null
  }
  return null
}

function durationHint(text: string): string | null {
  if (/^\d+(\.\d+)?$/.test(text)) return `write a unit: ${text}s, ${text}ms, ${text}m ...`
  const seconds = [...text.matchAll(/(\d+)([hms])/g)]
  if (seconds.length > 1 && seconds.map(match => match[0]).join('') === text) {
    const unit: Record<string, number> = { h: 3600, m: 60, s: 1 }
    const total = seconds.reduce((sum, match) => sum + Number(match[1]) * unit[match[2] as string]!, 0)
    return `write one unit: ${total}s`
  }
  const match = /^([\d.]+)\s*(milliseconds?|msecs?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?)$/i.exec(
    text,
  )
  if (!match) return null
  const word = (match[2] as string).toLowerCase()
  return `write ${match[1]}${word.startsWith('mil') || word.startsWith('ms') ? 'ms' : word[0]}`
}
