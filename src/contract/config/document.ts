/**
 * YAML text to a located tree. YAML 1.2 core only: no custom tags, no merge keys, no duplicate keys, few
 * aliases, at most 1 MB. Every fault is a problem with its place. Never runs, resolves or fetches anything
 * the text names.
 */
import { type Document, isAlias, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { Entry, LocatedNode } from './located.ts'
import { type Place, printable, type Report } from './problem.ts'

export const FILE_MAX_BYTES = 1024 * 1024
const ALIAS_MAX = 100
const NODE_MAX = 50_000
const DEPTH_MAX = 64
const SYNTAX_ERRORS_SHOWN = 10
const UNCLOSED = /flow (map|sequence).*must.*end|sufficiently indented|to end with|Missing closing/i
const CORE_TAGS = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/

/** The tree of one file, or null if its text cannot be trusted; then `report` says why. */
export function readDocument(file: string, text: string, report: Report): LocatedNode | null {
  report.addSource(file, text)
  const start = { file, line: 1, column: 1 }
  const refuse = (message: string, hint: string): null => {
    report.error({ at: start, path: '', message, hint })
    return null
  }
  if (text.length > FILE_MAX_BYTES) return refuse('the file is larger than 1 MB', 'split it with `include:`')
  if (!balanced(text))
    return refuse('it is nested too deep', 'no MARK configuration needs more than a few levels')
  const lines = new LineCounter()
  const document = parse(text, lines)
  if (document === null)
    return refuse('it is nested too deep', 'no MARK configuration needs more than a few levels')
  const errors = report.errors.length
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  for (const error of document.errors.slice(0, SYNTAX_ERRORS_SHOWN)) {
    report.error({ at: placeAt(error.pos[0]), path: '', ...explainSyntax(error.code, error.message) })
  }
  if (report.errors.length > errors) return null
  if (document.contents === null || document.contents === undefined) {
    return refuse('the file is empty', 'declare at least one module; `mark init` writes a first mark.yaml')
  }
  const tree = new Converter(text, placeAt, report).convert(document.contents as Node, '', 0)
  return report.errors.length > errors ? null : tree
}

function parse(text: string, lineCounter: LineCounter): Document | null {
  try {
    return parseDocument(text, {
      lineCounter,
      version: '1.2',
      schema: 'core',
      merge: false,
      strict: true,
      // Quadratic in the library; checked while converting instead.
      uniqueKeys: false,
      prettyErrors: false,
      // Anything quieter would also hide a second document.
      logLevel: 'error',
      resolveKnownTags: false,
    })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** Cheap guard: the parser recurses once for each bracket. */
function balanced(text: string): boolean {
  let depth = 0
  for (const char of text) {
    if (char === '[' || char === '{') depth += 1
    else if (char === ']' || char === '}') depth -= 1
    else if (char === '\n' && depth < 0) depth = 0
    if (depth > 1000) return false
  }
  return true
}

function explainSyntax(code: string, message: string): { message: string; hint: string | null } {
  const sentence = printable(message.split('\n')[0] as string)
  if (code === 'TAB_AS_INDENT')
    return { message: 'a tab indents this line', hint: 'YAML indents with spaces only' }
  if (code === 'MULTIPLE_DOCS')
    return { message: 'a second document begins here', hint: 'one file holds one document: remove `---`' }
  if (UNCLOSED.test(sentence)) {
    return { message: sentence, hint: 'a bracket or quote is not closed: is the file complete?' }
  }
  if (code === 'BAD_ALIAS') return { message: sentence, hint: 'quote a value that begins with `*` or `&`' }
  return {
    message: sentence,
    hint: code === 'BLOCK_AS_IMPLICIT_KEY' ? 'quote a value that holds `: `' : null,
  }
}

class Converter {
  #nodes = 0
  #aliases = 0
  #refused = false
  readonly #text: string
  readonly #placeAt: (offset: number) => Place
  readonly #report: Report
  readonly #anchors = new Map<string, Node>()

  constructor(text: string, placeAt: (offset: number) => Place, report: Report) {
    this.#text = text
    this.#placeAt = placeAt
    this.#report = report
  }

  convert(node: Node | null, path: string, depth: number): LocatedNode | null {
    const at = this.#placeAt(node?.range?.[0] ?? 0)
    if (this.#refused) return null
    this.#nodes += 1
    if (this.#nodes > NODE_MAX)
      return this.#refuse(at, 'it expands to more than 50,000 values', 'use fewer aliases, or `defaults:`')
    if (depth > DEPTH_MAX)
      return this.#refuse(at, 'it is nested too deep', 'no MARK configuration needs more than a few levels')
    if (node === null) return { kind: 'scalar', at, value: null, source: '', text: '', plain: true }
    if (isAlias(node)) return this.#alias(node.source, at, path, depth)
    if (node.tag !== undefined && !CORE_TAGS.test(node.tag)) {
      return this.#refuse(
        at,
        `the tag \`${printable(node.tag)}\` is not known`,
        'write the value without a tag',
      )
    }
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return this.#scalar(node.value, node.range, node.type === 'PLAIN', at, path)
    return isMap(node) ? this.#map(node.items, at, path, depth) : this.#list(node, at, path, depth)
  }

  #alias(name: string, at: Place, path: string, depth: number): LocatedNode | null {
    this.#aliases += 1
    if (this.#aliases > ALIAS_MAX)
      return this.#refuse(at, `more than ${ALIAS_MAX} aliases`, 'use `defaults:` for what all modules share')
    const target = this.#anchors.get(name)
    if (!target)
      return this.#refuse(
        at,
        `the alias \`*${name}\` names nothing above it`,
        'quote a value that begins with `*`',
      )
    return this.convert(target, path, depth + 1)
  }

  #scalar(value: unknown, range: Node['range'], plain: boolean, at: Place, path: string): LocatedNode | null {
    const written = range ? this.#text.slice(range[0], range[1]) : String(value)
    if (typeof value === 'string' && value.includes('\0'))
      return this.#fault(at, path, 'a NUL byte stands in this text', null)
    if (typeof value === 'number' && !Number.isFinite(value))
      return this.#fault(at, path, `${written} is not a number MARK can use`, null)
    const kept =
      value === null || typeof value === 'number' || typeof value === 'boolean' ? value : String(value)
    const source = typeof kept === 'string' ? kept : written.trim()
    return { kind: 'scalar', at, value: kept, source, text: source, plain }
  }

  #map(
    items: readonly { key: unknown; value: unknown }[],
    at: Place,
    path: string,
    depth: number,
  ): LocatedNode | null {
    const entries = new Map<string, Entry>()
    for (const { key, value } of items) {
      const keyAt = this.#placeAt((key as Node | null)?.range?.[0] ?? 0)
      if (!isScalar(key) || key.value === null) {
        this.#fault(keyAt, path, 'a key must be a plain word', 'quote it, or is a `:` missing?')
        continue
      }
      const name =
        typeof key.value === 'string' ? key.value : this.#text.slice(key.range?.[0], key.range?.[1]).trim()
      const inner = path === '' ? name : `${path}.${name}`
      const before = entries.get(name)
      if (before) {
        this.#fault(
          keyAt,
          inner,
          `this key stands here twice, first on line ${before.keyAt.line}`,
          'remove or rename one of them',
        )
        continue
      }
      if (name === '<<') {
        this.#fault(keyAt, inner, 'YAML 1.2 has no merge keys', 'use `defaults:` for what all modules share')
        continue
      }
      const node = this.convert(value as Node | null, inner, depth + 1)
      // A value that is not there has no place of its own.
      const empty = node?.kind === 'scalar' && node.value === null && node.text === ''
      if (node) entries.set(name, { keyAt, node: empty ? { ...node, at: keyAt } : node })
    }
    return { kind: 'map', at, entries }
  }

  #list(node: Node, at: Place, path: string, depth: number): LocatedNode {
    const items: LocatedNode[] = []
    for (const [index, item] of ((node as { items?: (Node | null)[] }).items ?? []).entries()) {
      const converted = this.convert(item, `${path}[${index}]`, depth + 1)
      if (converted) items.push(converted)
    }
    return { kind: 'list', at, items }
  }

  #fault(at: Place, path: string, message: string, hint: string | null): null {
    this.#report.error({ at, path, message, hint })
    return null
  }

  #refuse(at: Place, message: string, hint: string): null {
    this.#refused = true
    return this.#fault(at, '', message, hint)
  }
}
