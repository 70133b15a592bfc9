/**
 * `${VAR}`, `${VAR:-default}`, `${VAR:?message}` in values; `$${` is a literal `${`; every other `$` stays
 * as it is. The environment is an argument. Never looks inside what it inserted: a value with `${` in it
 * stays what it is.
 */
import type { LocatedNode, ScalarNode } from './located.ts'
import type { Report } from './problem.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** `text` with all filled in, or the first thing wrong. `keep`: leave `${<keep>...}` untouched. */
export type Interpolated =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly offset: number; readonly message: string; readonly hint: string }

export function interpolate(text: string, variables: Variables, keep: readonly string[] = []): Interpolated {
  return expand(text, variables, keep, 0)
}

const DEPTH_MAX = 8

function expand(text: string, variables: Variables, keep: readonly string[], depth: number): Interpolated {
  let out = ''
  let index = 0
  for (;;) {
    const dollar = text.indexOf('${', index)
    if (dollar < 0) return { ok: true, text: out + text.slice(index) }
    out += text.slice(index, dollar)
    if (text[dollar - 1] === '$' && dollar - 1 >= index) {
      out = `${out.slice(0, -1)}\${`
      index = dollar + 2
      continue
    }
    const end = closingBrace(text, dollar + 2)
    if (end < 0) return fault(dollar, '`${` is never closed', 'write `$${` for a literal `${`')
    const inner = text.slice(dollar + 2, end)
    if (keep.some(start => inner.startsWith(start))) out += text.slice(dollar, end + 1)
    else {
      const value = fill(inner, variables, keep, depth)
      if (!value.ok) return { ...value, offset: dollar }
      out += value.text
    }
    index = end + 1
  }
}

function closingBrace(text: string, from: number): number {
  let open = 1
  for (let index = from; index < text.length; index++) {
    if (text.startsWith('${', index)) open += 1
    if (text[index] === '}') open -= 1
    if (open === 0) return index
  }
  return -1
}

function fill(inner: string, variables: Variables, keep: readonly string[], depth: number): Interpolated {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([\s\S]*))?$/.exec(inner)
  if (!match) {
    return fault(
      0,
      `\`\${${inner}}\` is not a variable`,
      'known forms: `${VAR}`, `${VAR:-default}`, `${VAR:?message}`; `$${` is a literal `${`',
    )
  }
  const [, name, operator, rest = ''] = match as unknown as [
    string,
    string,
    string | undefined,
    string | undefined,
  ]
  const value = Object.hasOwn(variables, name) ? variables[name] : undefined
  if (value !== undefined && (value !== '' || operator === undefined)) return { ok: true, text: value }
  if (operator === ':-') {
    if (depth >= DEPTH_MAX)
      return fault(0, `\`\${${name}:-...}\` is nested too deep`, 'use fewer levels of defaults')
    return expand(rest, variables, keep, depth + 1)
  }
  const state = value === undefined ? 'is not set' : 'is empty'
  const message =
    operator === ':?' && rest !== ''
      ? `${name} ${state}: ${rest}`
      : `${name} ${state} in the environment of this command`
  return fault(0, message, `export ${name}, or give a default: \`\${${name}:-value}\``)
}

function fault(offset: number, message: string, hint: string): Interpolated {
  return { ok: false, offset, message, hint }
}

/** What a run of a job fills in. */
const OF_RUNS = ['jobs.', 'params.']

/** Fills in every value of a tree; under `jobs`, what a run fills in is left. */
export function interpolateTree(
  node: LocatedNode,
  variables: Variables,
  report: Report,
  path = '',
): LocatedNode {
  if (node.kind === 'list') {
    const items = node.items.map((item, index) =>
      interpolateTree(item, variables, report, `${path}[${index}]`),
    )
    return { ...node, items }
  }
  if (node.kind === 'map') {
    const entries = new Map(node.entries)
    for (const [key, entry] of node.entries) {
      const inner = path === '' ? key : `${path}.${key}`
      entries.set(key, { ...entry, node: interpolateTree(entry.node, variables, report, inner) })
    }
    return { ...node, entries }
  }
  return interpolateScalar(node, variables, report, path)
}

function interpolateScalar(node: ScalarNode, variables: Variables, report: Report, path: string): ScalarNode {
  if (typeof node.value !== 'string' || !node.value.includes('${')) return node
  const result = interpolate(node.value, variables, path.startsWith('jobs.') ? OF_RUNS : [])
  if (!result.ok) {
    const sameLine = node.value === node.source
    const at = sameLine ? { ...node.at, column: node.at.column + result.offset } : node.at
    report.error({ at, path, message: result.message, hint: result.hint, code: codeFor(result.message) })
    report.poison(node.at)
    return node
  }
  return { ...node, value: node.plain ? retype(result.text) : result.text, text: result.text }
}

function codeFor(message: string): 'MARK_ENVIRONMENT' | 'MARK_CONFIG' {
  return / is (not set|empty)/.test(message) ? 'MARK_ENVIRONMENT' : 'MARK_CONFIG'
}

/** What YAML would have made of it had it been written there. */
function retype(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,9})?$/.test(text) ? Number(text) : text
}
