/**
 * Variables: what a module inherits from the first `up`, what env files say, and the three words MODE
 * AUTONOMY STRATEGY, which may be said in several places but never differently.
 */
import { createHash } from 'node:crypto'
import { parseEnv } from 'node:util'
import type { Autonomy, Mode, Strategy } from '../../core/plan.ts'
import { type ConfigFiles, readText } from './files.ts'
import type { Variables } from './interpolate.ts'
import type { Place, Report } from './problem.ts'
import { didYouMean } from './problem.ts'

const INHERITED: ReadonlySet<string> = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'TZ',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
])
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Exactly the names of SPEC 5; PATH and LANG always have a value. */
export function baseEnvironment(env: Variables): Record<string, string> {
  const base: Record<string, string> = { PATH: DEFAULT_PATH, LANG: 'C.UTF-8' }
  for (const [name, value] of Object.entries(env)) {
    const inherited = INHERITED.has(name) || name.startsWith('LC_') || /^(\w+_proxy|\w+_PROXY)$/.test(name)
    if (inherited && value !== undefined && value !== '') base[name] = value
  }
  return base
}

export interface EnvFile {
  readonly path: string
  readonly variables: Readonly<Record<string, string>>
  readonly text: string
}

/** Reads one env file named at `at`; null, and a problem, if it cannot be used. */
export function readEnvFile(
  path: string,
  files: ConfigFiles,
  at: Place,
  key: string,
  report: Report,
): EnvFile | null {
  const found = readText(files, path)
  if ('why' in found) {
    const hint = 'create it, or take it out of `env_file`'
    report.error({ at, path: key, message: `${path} ${found.why}`, hint, code: 'MARK_PREFLIGHT' })
    return null
  }
  const unsafe = files.safe(path)
  if (unsafe !== null) {
    report.error({
      at,
      path: key,
      message: unsafe,
      hint: 'chmod go-w the file and the directories above it',
      code: 'MARK_CONFIG_UNSAFE',
    })
    return null
  }
  report.addSource(path, found.text)
  return { path, variables: parseEnv(found.text) as Record<string, string>, text: found.text }
}

/** SHA-256 over the bytes of env files, in order. */
export function digestOf(envFiles: readonly EnvFile[]): string {
  const hash = createHash('sha256')
  for (const { text } of envFiles) hash.update(text)
  return hash.digest('hex')
}

/** Later files win. */
export function combine(envFiles: readonly EnvFile[]): Record<string, string> {
  return Object.assign(Object.create(null), ...envFiles.map(file => file.variables))
}

/** Where a variable stands in an env file. */
export function placeInEnvFile(file: EnvFile, name: string): Place {
  const index = file.text
    .split('\n')
    .findIndex(line => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(line))
  return { file: file.path, line: index + 1 || 1, column: 1 }
}

export interface Words {
  readonly mode: Mode
  readonly autonomy: Autonomy
  readonly strategy: Strategy
}
export type WordName = keyof Words

const KNOWN: Readonly<Record<WordName, readonly string[]>> = {
  mode: ['TEST', 'REAL', 'DEBUG'],
  autonomy: ['VIRTUAL', 'AUTO', 'MANUAL'],
  strategy: ['NORMAL', 'COWARD', 'RAGE', 'FUNKY'],
}
const FALLBACK: Words = { mode: 'TEST', autonomy: 'VIRTUAL', strategy: 'NORMAL' }
const ALIASES: Readonly<Record<string, string>> = { LIVE: 'REAL', TESTNET: 'TEST' }
export const WORD_NAMES = ['mode', 'autonomy', 'strategy'] as const

/** The word meant, or null if it is none of them. Case does not matter. */
export function parseWord(name: WordName, written: string): string | null {
  const upper = written.trim().toUpperCase()
  const word = name === 'mode' ? (ALIASES[upper] ?? upper) : upper
  return KNOWN[name].includes(word) ? word : null
}

/** One place where a word was said, e.g. `--mode`, `mark.yaml`, `.env`. */
export interface Said {
  readonly where: string
  readonly written: string
  readonly at: Place
}

/** Two explicit values that disagree are an error, never a precedence. */
export function settleWord<N extends WordName>(name: N, said: readonly Said[], report: Report): Words[N] {
  let settled: { word: string; where: string } | null = null
  for (const { where, written, at } of said) {
    const word = parseWord(name, written)
    if (word === null) {
      const message = `\`${written}\` (${where}) is not one of ${KNOWN[name].join(', ')}`
      report.error({ at, path: name, message, hint: didYouMean(written, KNOWN[name]) })
    } else if (settled && settled.word !== word) {
      const message = `${name} is ${settled.word} in ${settled.where} and ${word} in ${where}`
      report.error({ at, path: name, message, hint: 'say it in one place only, or the same in both' })
    } else settled ??= { word, where }
  }
  return (settled?.word ?? FALLBACK[name]) as Words[N]
}
