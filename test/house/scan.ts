/**
 * Reads TypeScript as text, without a compiler: blanks comments and string contents (every offset and line
 * stays where it was), finds imports and function bodies. Right for biome-formatted code; it never guesses
 * silently: what it cannot balance it throws on.
 */
import { stripTypeScriptTypes } from 'node:module'

export interface Blanked {
  /** Comments are spaces, strings are kept. */
  readonly uncommented: string
  /** Comments and the contents of strings, templates and regular expressions are spaces. */
  readonly code: string
}

export interface Import {
  readonly specifier: string
  /**
   * `value` is there at run time, `type` is erased, `url` is `new URL('./x', import.meta.url)`, `computed` is
   * `import(name)`: its specifier is empty.
   */
  readonly kind: 'value' | 'type' | 'url' | 'computed'
  readonly line: number
}

export interface FunctionSpan {
  readonly name: string
  readonly line: number
  readonly lines: number
  /** The argument of `describe(` or `suite(`: a list of tests, not a function that someone reads as one. */
  readonly isSuite: boolean
}

const REGEX_AFTER_WORD = /\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield)$/
const CONTROL = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'await'])

/** Blanks comments and literals. Newlines stay. Throws when a literal does not end. */
export function blank(text: string): Blanked {
  const code = [...text.replace(/[^\0-\uffff]/gu, '??')]
  const uncommented = [...code]
  // Each entry: depth of braces inside one `${`; the template it belongs to goes on when that closes.
  const templates: number[] = []
  let at = 0
  const wipe = (from: number, to: number, comment: boolean): void => {
    for (let i = from; i < to; i++) {
      if (code[i] === '\n') continue
      code[i] = ' '
      if (comment) uncommented[i] = ' '
    }
  }
  const until = (pattern: RegExp, from: number, what: string): number => {
    pattern.lastIndex = from
    const match = pattern.exec(text)
    if (!match) throw new Error(`line ${lineAt(text, from)}: this ${what} does not end`)
    return match.index + match[0].length
  }
  const template = (from: number): void => {
    const end = until(/(?:[^\\`$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y, from, 'template')
    const opens = text[end - 1] === '{'
    wipe(from, opens ? end - 2 : end - 1, false)
    if (opens) templates.push(0)
    at = end
  }
  if (text.startsWith('#!')) at = until(/\n|$/g, 0, 'first line')
  wipe(0, at, true)
  while (at < text.length) {
    const char = text[at] as string
    const pair = text.slice(at, at + 2)
    if (pair === '//' || pair === '/*') {
      const end = pair === '//' ? until(/\n|$/g, at, 'comment') : until(/\*\//g, at + 2, 'comment')
      wipe(at, end, true)
      at = end
    } else if (char === "'" || char === '"') {
      const end = until(
        char === "'" ? /(?:[^\\'\n]|\\[\s\S])*'/y : /(?:[^\\"\n]|\\[\s\S])*"/y,
        at + 1,
        'string',
      )
      wipe(at + 1, end - 1, false)
      at = end
    } else if (char === '`') {
      template(at + 1)
    } else if (char === '/' && startsRegex(code, at)) {
      const end = until(/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y, at + 1, 'regular expression')
      wipe(at + 1, end - 1, false)
      at = end
    } else if (templates.length > 0 && (char === '{' || char === '}')) {
      const depth = (templates.pop() as number) + (char === '{' ? 1 : -1)
      if (depth >= 0) templates.push(depth)
      if (depth >= 0) at++
      else template(at + 1)
    } else {
      at++
    }
  }
  return { uncommented: uncommented.join(''), code: code.join('') }
}

function startsRegex(code: readonly string[], at: number): boolean {
  let before = at - 1
  while (before >= 0 && /\s/.test(code[before] as string)) before--
  if (before < 0) return true
  if (/[(,=:[!&|?{};+\-*%~^<>]/.test(code[before] as string)) return true
  return REGEX_AFTER_WORD.test(code.slice(Math.max(0, before - 9), before + 1).join(''))
}

export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let i = 0; i < offset; i++) if (text[i] === '\n') line++
  return line
}

/** The same text with types as spaces; throws on syntax that cannot be erased (enum, namespace). */
export function eraseTypes(text: string): string {
  return stripTypeScriptTypes(text, { mode: 'strip' })
}

const CLAUSE = String.raw`(?:[\w$]+\s*,\s*|[\w$]+\s+)?(?:\{[^{}]*\}\s*|\*\s*(?:as\s+[\w$]+\s+)?)?`
const FROM = new RegExp(
  String.raw`(?<![\w.$])(?:import|export)\b(\s+type\b)?\s*${CLAUSE}from\s*(['"])(.+?)\2`,
  'g',
)
const BARE = /(?<![\w.$])import\s*(['"])(.+?)\1/g
const DYNAMIC = /(?<![\w.$])(?:import|require)\s*\(\s*(?:(['"])(.+?)\1)?/g
const URL_LINE = /^.*\bnew URL\(.*\bimport\.meta\.url\b.*$/gm
const URL_NAME = /(['"])(\.{1,2}\/[^'"]+\.ts)\1/g

/** Every import of a file: static, re-export, side effect, dynamic. `erased`: see eraseTypes. */
export function importsOf(text: string, erased: string): Import[] {
  const { uncommented, code } = blank(text)
  const found: Import[] = []
  const add = (match: RegExpMatchArray, specifier: string, kind: Import['kind']): void => {
    const at = match.index as number
    if (code[at] === ' ') return // inside a string
    found.push({ specifier, kind, line: lineAt(text, at) })
  }
  for (const match of uncommented.matchAll(FROM)) add(match, match[3] as string, match[1] ? 'type' : 'value')
  for (const match of uncommented.matchAll(BARE)) add(match, match[2] as string, 'value')
  for (const { 0: line, index } of uncommented.matchAll(URL_LINE)) {
    for (const match of line.matchAll(URL_NAME)) {
      found.push({ specifier: match[2] as string, kind: 'url', line: lineAt(text, index) })
    }
  }
  for (const match of uncommented.matchAll(DYNAMIC)) {
    const at = match.index as number
    if (code[at] === ' ') continue
    const kind = erased[at] === ' ' ? 'type' : 'value'
    if (match[2] !== undefined) add(match, match[2], kind)
    else if (!isMethod(blank(erased).code, at)) add(match, '', 'computed')
  }
  return found
}

/** A method may be called `import`: its parameters are followed by a body. */
function isMethod(code: string, at: number): boolean {
  let end = code.indexOf('(', at)
  for (let depth = 0; end < code.length; end++) {
    if (code[end] === '(') depth++
    if (code[end] === ')' && --depth === 0) break
  }
  return code
    .slice(end + 1)
    .trimStart()
    .startsWith('{')
}

/** All functions with a block body, in order of where they end. `erased` is JavaScript: see eraseTypes. */
export function functionsOf(erased: string): FunctionSpan[] {
  const { code } = blank(erased)
  const open: (null | { name: string; line: number; isSuite: boolean })[] = []
  const spans: FunctionSpan[] = []
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '{') open.push(headerBefore(code, at))
    if (code[at] !== '}') continue
    const header = open.pop()
    if (header === undefined) throw new Error(`line ${lineAt(code, at)}: a brace closes that none opened`)
    if (header) spans.push({ ...header, lines: lineAt(code, at) - header.line + 1 })
  }
  if (open.length > 0) throw new Error('a brace is never closed')
  return spans
}

function headerBefore(code: string, brace: number): { name: string; line: number; isSuite: boolean } | null {
  let end = code.slice(0, brace).trimEnd().length
  const isArrow = code.slice(end - 2, end) === '=>'
  if (isArrow) end = code.slice(0, end - 2).trimEnd().length
  let start = end
  if (code[end - 1] === ')') {
    let depth = 0
    do {
      start--
      if (code[start] === ')') depth++
      if (code[start] === '(') depth--
    } while (depth > 0 && start > 0)
  } else if (isArrow) {
    start = end - (/[\w$]+$/.exec(code.slice(0, end))?.[0].length ?? 0)
  } else {
    return null
  }
  const before = code.slice(0, start).trimEnd()
  const word = /[\w$#]+$/.exec(before)?.[0] ?? ''
  if (!isArrow && (CONTROL.has(word) || word === '')) return null
  const tail = before.slice(-200)
  const bound = /([\w$#]+)\s*[=:]\s*(?:async)?$/.exec(tail)?.[1]
  return {
    name: isArrow ? (bound ?? 'arrow') : word,
    line: lineAt(code, start),
    isSuite: isArrow && /\b(?:describe|suite)\([^\n]*$/.test(tail),
  }
}
