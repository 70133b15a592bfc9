/**
 * Brings the short and borrowed spellings of a module to MARK's own before defaults are merged and the
 * schema reads: compose's healthcheck, stop_signal, stop_grace_period, restart as a word, depends_on and
 * environment as lists. Only where the meaning is the same; everything keeps its place.
 */
import {
  child,
  type Entry,
  isNull,
  type LocatedNode,
  type MapNode,
  mapOf,
  textNode,
  textOf,
} from './located.ts'
import type { Report } from './problem.ts'

/**
 * `path`: of the module, for problems. Anything that is not a map is returned as it is: the schema says so.
 */
export function unfoldModule(node: LocatedNode, path: string, report: Report): LocatedNode {
  if (node.kind !== 'map') return node
  const entries = new Map(node.entries)
  const change = (key: string, unfold: (node: LocatedNode) => LocatedNode): void => {
    const entry = entries.get(key)
    if (entry && !isNull(entry.node)) entries.set(key, { ...entry, node: unfold(entry.node) })
  }
  change('restart', unfoldRestart)
  change('environment', inner => unfoldEnvironment(inner, `${path}.environment`, report))
  change('depends_on', unfoldDependencies)
  change('after', unfoldAfter)
  change('ready', inner => (textOf(inner) === 'notify' ? wrap(inner, 'notify') : inner))
  change('virtualenv', inner => (textOf(inner) === 'none' ? absent(inner) : inner))
  for (const key of ['health', 'lock', 'user', 'recover']) {
    change(key, inner => (['none', 'off'].includes(textOf(inner) ?? '') ? absent(inner) : inner))
  }
  const stop = { stop_signal: 'signal', stop_grace_period: 'grace' }
  for (const [alias, own] of Object.entries(stop)) moveInto(entries, alias, 'stop', own, path, report)
  const healthcheck = entries.get('healthcheck')
  if (healthcheck) {
    entries.delete('healthcheck')
    if (entries.has('health')) clash(healthcheck, 'healthcheck', 'health', path, report)
    else entries.set('health', { ...healthcheck, node: unfoldHealthcheck(healthcheck.node, path, report) })
  }
  return { ...node, entries }
}

function absent(node: LocatedNode): LocatedNode {
  return { kind: 'scalar', at: node.at, value: null, source: '', text: '', plain: true }
}

function wrap(node: LocatedNode, key: string): MapNode {
  const yes: LocatedNode = {
    kind: 'scalar',
    at: node.at,
    value: true,
    source: 'true',
    text: 'true',
    plain: true,
  }
  return mapOf(node.at, [[key, { keyAt: node.at, node: yes }]])
}

function clash(entry: Entry, alias: string, own: string, path: string, report: Report): void {
  report.error({
    at: entry.keyAt,
    path: `${path}.${alias}`,
    message: `\`${alias}\` says the same as \`${own}\``,
    hint: 'keep one of them',
  })
}

function moveInto(
  entries: Map<string, Entry>,
  alias: string,
  parent: string,
  own: string,
  path: string,
  report: Report,
): void {
  const entry = entries.get(alias)
  if (!entry) return
  entries.delete(alias)
  const existing = entries.get(parent)
  if (existing && existing.node.kind !== 'map' && !isNull(existing.node)) return
  const inside = existing?.node.kind === 'map' ? existing.node.entries : new Map<string, Entry>()
  if (inside.has(own)) {
    clash(entry, alias, `${parent}.${own}`, path, report)
    return
  }
  const node = mapOf(existing?.node.at ?? entry.keyAt, [...inside, [own, entry]])
  entries.set(parent, { keyAt: existing?.keyAt ?? entry.keyAt, node })
}

const POLICIES: Readonly<Record<string, string>> = {
  always: 'always',
  'unless-stopped': 'always',
  'on-failure': 'on-failure',
  never: 'never',
  no: 'never',
}

function unfoldRestart(node: LocatedNode): LocatedNode {
  const word = textOf(node) ?? (node.kind === 'scalar' && node.value === false ? 'no' : null)
  const policy = word === null ? undefined : POLICIES[word]
  if (policy === undefined) return node
  return mapOf(node.at, [['policy', { keyAt: node.at, node: textNode(node.at, policy) }]])
}

function unfoldEnvironment(node: LocatedNode, path: string, report: Report): LocatedNode {
  if (node.kind !== 'list') return node
  const entries: [string, Entry][] = []
  for (const item of node.items) {
    const text = textOf(item) ?? ''
    const equals = text.indexOf('=')
    if (equals > 0)
      entries.push([
        text.slice(0, equals),
        { keyAt: item.at, node: textNode(item.at, text.slice(equals + 1)) },
      ])
    else
      report.error({
        at: item.at,
        path,
        message: 'this is not NAME=value',
        hint: 'a variable of the caller: `NAME=${NAME}`',
      })
  }
  return mapOf(node.at, entries)
}

/** `after: { luka: }` is `after: { luka: {} }`. */
function unfoldAfter(node: LocatedNode): LocatedNode {
  if (node.kind !== 'map') return node
  const entries = new Map(node.entries)
  for (const [name, entry] of node.entries)
    if (isNull(entry.node)) entries.set(name, { ...entry, node: mapOf(entry.node.at, []) })
  return { ...node, entries }
}

const CONDITIONS: Readonly<Record<string, string>> = {
  service_started: 'started',
  service_healthy: 'ready',
  service_completed_successfully: 'completed',
}

function unfoldDependencies(node: LocatedNode): LocatedNode {
  if (node.kind === 'list' && node.items.every(item => textOf(item) !== null)) {
    return mapOf(
      node.at,
      node.items.map(item => [textOf(item) as string, { keyAt: item.at, node: mapOf(item.at, []) }] as const),
    )
  }
  if (node.kind !== 'map') return node
  const entries = new Map(node.entries)
  for (const [name, entry] of node.entries) {
    const word = textOf(entry.node)
    const condition = child(entry.node, 'condition')
    const known = CONDITIONS[textOf(condition) ?? '']
    if (isNull(entry.node)) entries.set(name, { ...entry, node: mapOf(entry.node.at, []) })
    else if (word !== null)
      entries.set(name, {
        ...entry,
        node: mapOf(entry.node.at, [['condition', { keyAt: entry.node.at, node: entry.node }]]),
      })
    else if (entry.node.kind === 'map' && condition && known) {
      const inside = new Map(entry.node.entries)
      inside.set('condition', { keyAt: condition.at, node: textNode(condition.at, known) })
      entries.set(name, { ...entry, node: { ...entry.node, entries: inside } })
    }
  }
  return { ...node, entries }
}

const HEALTHCHECK_KEYS: Readonly<Record<string, string>> = {
  test: 'exec',
  interval: 'interval',
  timeout: 'timeout',
  retries: 'failures',
  start_period: 'start_period',
}

function unfoldHealthcheck(node: LocatedNode, path: string, report: Report): LocatedNode {
  if (node.kind !== 'map') return node
  const disable = child(node, 'disable')
  if (disable?.kind === 'scalar' && disable.value === true) return absent(node)
  const entries: [string, Entry][] = []
  for (const [key, entry] of node.entries) {
    const own = HEALTHCHECK_KEYS[key]
    if (own === undefined) {
      const message = `\`${key}\` has no meaning here`
      report.error({
        at: entry.keyAt,
        path: `${path}.healthcheck.${key}`,
        message,
        hint: `known: ${Object.keys(HEALTHCHECK_KEYS).join(', ')}; or write \`health:\``,
      })
    } else if (key === 'test') {
      const exec = unfoldTest(entry.node)
      if (exec === null) return absent(node)
      entries.push([own, { ...entry, node: exec }])
    } else entries.push([own, entry])
  }
  return mapOf(node.at, entries)
}

/** Compose: a string and CMD-SHELL run in a shell, CMD is argv, NONE switches the check off (null here). */
function unfoldTest(node: LocatedNode): LocatedNode | null {
  const shell = (at: LocatedNode, line: string): LocatedNode => ({
    kind: 'list',
    at: at.at,
    items: ['/bin/sh', '-c', line].map(word => textNode(at.at, word)),
  })
  const line = textOf(node)
  if (line !== null) return shell(node, line)
  if (node.kind !== 'list') return node
  const [first, ...rest] = node.items
  const word = textOf(first)
  if (word === 'NONE') return null
  if (word === 'CMD-SHELL') return shell(node, rest.map(item => textOf(item) ?? '').join(' '))
  return word === 'CMD' ? { ...node, items: rest } : node
}
