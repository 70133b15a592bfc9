/**
 * What is wrong with a configuration, said so that a person can fix it: where (file:line:column), which
 * key, what stands there, what was expected and the nearest known word. Problems are collected, never
 * thrown one by one. Never shows a value that may be a secret: source lines are masked first.
 */
import { relative } from 'node:path'
import { type ErrorCode, MarkError } from '../../core/errors.ts'
import { nearest } from '../../core/nearest.ts'

/** Lines and columns count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

export interface Problem extends Place {
  readonly code: ErrorCode
  /** Dotted path of the key, '' for the whole file. */
  readonly path: string
  readonly message: string
  readonly hint: string | null
  /** The source line, secrets masked; null if it is not known. */
  readonly source: string | null
}

export interface Finding {
  readonly at: Place
  readonly path: string
  readonly message: string
  readonly hint?: string | null | undefined
  readonly code?: ErrorCode
}

/** Collects problems of one load; knows the source lines of every file read. */
export class Report {
  readonly errors: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #lines = new Map<string, readonly string[]>()
  readonly #seen = new Set<string>()
  readonly #poisoned = new Set<string>()

  addSource(file: string, text: string): void {
    this.#lines.set(file, text.split('\n'))
  }

  error(finding: Finding): void {
    if (!this.#poisoned.has(placeKey(finding.at))) this.#add(this.errors, finding)
  }

  /** What stands here is known to be wrong: say nothing more about it. */
  poison(at: Place): void {
    this.#poisoned.add(placeKey(at))
  }

  warn(finding: Finding): void {
    this.#add(this.warnings, finding)
  }

  /** A fault in `defaults:` shows up in every module: it is said once. */
  #add(list: Problem[], { at, path, message, hint = null, code = 'MARK_CONFIG' }: Finding): void {
    const key = `${placeKey(at)}:${message}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    const line = this.#lines.get(at.file)?.[at.line - 1]
    list.push({
      file: at.file,
      line: at.line,
      column: at.column,
      code,
      path,
      message,
      hint,
      source: line === undefined ? null : maskSecrets(line),
    })
  }
}

function placeKey(at: Place): string {
  return `${at.file}:${at.line}:${at.column}`
}

/** Thrown by `loadConfig`: every problem at once. `from`: file names are shown relative to this directory. */
export class ConfigError extends MarkError {
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]

  constructor(problems: readonly Problem[], warnings: readonly Problem[], from: string) {
    const one = problems.length === 1
    const list = formatProblems(problems, from)
    super(mainCode(problems), one ? list : `${problems.length} problems in the configuration.\n${list}`)
    this.problems = inFileOrder(problems)
    this.warnings = warnings
  }
}

/** What is wrong with the file outranks what is wrong around it (environment, missing programs). */
function mainCode(problems: readonly Problem[]): ErrorCode {
  const order: ErrorCode[] = [
    ...(['MARK_CONFIG_MISSING', 'MARK_CONFIG_UNSAFE', 'MARK_CONFIG'] as const),
    ...(['MARK_REAL_MONEY', 'MARK_ENVIRONMENT'] as const),
  ]
  return order.find(code => problems.some(problem => problem.code === code)) ?? 'MARK_PREFLIGHT'
}

/**
 * `mark.yaml:12:5: modules.vida.restart.delay: ...`, the source line with a caret, the hint; in file order.
 */
export function formatProblems(problems: readonly Problem[], from: string): string {
  return inFileOrder(problems)
    .map(problem => formatProblem(problem, from))
    .join('\n')
}

function inFileOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) => Number(a.file > b.file) - Number(a.file < b.file) || a.line - b.line || a.column - b.column,
  )
}

const SHOWN_COLUMNS = 160

function formatProblem(problem: Problem, from: string): string {
  const file = relative(from, problem.file) || problem.file
  const path = problem.path === '' ? '' : `${problem.path}: `
  const lines = [`${file}:${problem.line}:${problem.column}: ${path}${problem.message}`]
  const source = problem.source?.replaceAll('\t', ' ').trimEnd() ?? ''
  if (source !== '' && problem.column <= SHOWN_COLUMNS) {
    const gutter = `  ${problem.line} | `
    lines.push(`${gutter}${printable(source.slice(0, SHOWN_COLUMNS))}`)
    lines.push(`${' '.repeat(gutter.length + problem.column - 1)}^`)
  }
  if (problem.hint !== null) lines.push(`  hint: ${problem.hint}`)
  return lines.join('\n')
}

/** Control bytes of a file must not reach a terminal. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '\ufffd')
}

const SECRET_NAME = /KEY|SECRET|TOKEN|PASS/i

/** SPEC 3: a name like *KEY* *SECRET* *TOKEN* *PASS*. */
export function looksSecret(name: string): boolean {
  return SECRET_NAME.test(name)
}

/** Replaces what follows a secret-looking name, and credentials in URLs, by as many asterisks. */
export function maskSecrets(line: string): string {
  return line
    .replace(
      /([\w.-]*(?:KEY|SECRET|TOKEN|PASS)[\w.-]*["']?\s*[:=]\s*)("[^"]*"?|'[^']*'?|[^\s,}\]{["'][^\s,}\]]*)/gi,
      (_all, name: string, value: string) =>
        name + (value.startsWith('${') ? value : '*'.repeat(value.length)),
    )
    .replace(
      /(:\/\/[^\s/:@]*:)([^\s/@]+)@/g,
      (_all, head: string, secret: string) => `${head}${'*'.repeat(secret.length)}@`,
    )
}

/** `did you mean ...?`, else the list of what is known. */
export function didYouMean(word: string, known: readonly string[]): string | null {
  const near = nearest(word, known)
  if (near !== null) return `did you mean \`${near}\`?`
  if (known.length === 0) return null
  const shown = known.slice(0, 40)
  return `known here: ${shown.join(', ')}${known.length > shown.length ? ', ...' : ''}`
}
