/**
 * Parses what a request brings: names, numbers, times, cursors and bodies. Everything not known is refused
 * with a sentence; nothing is guessed.
 */
import type { Context } from 'hono'
import { MarkError } from '../../core/errors.ts'
import { parseDurationMs } from '../../core/time.ts'
import { parseRfc3339 } from '../../core/wall-time.ts'
import { usage } from './problem.ts'

const NAME = /^[a-z][a-z0-9_-]{0,62}$/
const RUN_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
const TEXTS_MAX = 64
const BODY_MAX_BYTES = 64 * 1024
const BODY_DEPTH_KEYS = 16

export function isRunId(text: string): boolean {
  return RUN_ID.test(text)
}

/** The id of a job's run. */
export function runIdOf(text: string): string {
  if (isRunId(text)) return text
  throw new MarkError(
    'MARK_NO_SUCH_RUN',
    'That is no id of a run.',
    'GET /api/v1/jobs/{j}/runs lists those of a job.',
  )
}

export function jobNameOf(text: string): string {
  if (NAME.test(text)) return text
  throw noSuchJob()
}

export function noSuchJob(): MarkError {
  return new MarkError('MARK_NO_SUCH_JOB', 'There is no job of that name.', 'GET /api/v1/jobs lists them.')
}

/** A module's or group's name. */
export function nameOf(text: string): string {
  if (NAME.test(text)) return text
  throw new MarkError(
    'MARK_NO_SUCH_MODULE',
    'There is no module of that name.',
    'GET /api/v1/modules lists them.',
  )
}

/** The query's known keys; any other is refused. */
export function queryOf<K extends string>(context: Context, keys: readonly K[]): Partial<Record<K, string>> {
  const given = context.req.queries()
  for (const [key, values] of Object.entries(given)) {
    if (!(keys as readonly string[]).includes(key))
      throw usage(`Unknown parameter ${JSON.stringify(key)}.`, knows(keys))
    if (values.length > 1) throw usage(`The parameter ${key} is given twice.`)
  }
  return Object.fromEntries(Object.entries(given).map(([key, values]) => [key, values[0]])) as Partial<
    Record<K, string>
  >
}

/** A whole number between 1 and `max`. */
export function countOf(text: string | undefined, fallback: number, max: number, name: string): number {
  if (text === undefined) return fallback
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (number < 1 || number > max) throw usage(`${name} is a whole number from 1 to ${max}.`)
  return number
}

/** `5m` (ago) or RFC 3339, as Unix milliseconds. */
export function sinceOf(text: string | undefined, nowMs: number): number | null {
  if (text === undefined) return null
  const ago = parseDurationMs(text)
  if (ago !== null) return nowMs - ago
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at))
    throw usage('since is a duration such as 15m, or a time such as 2026-01-31T12:00:00Z.')
  return at
}

/** Opaque to clients: numbers and names, never trusted when it comes back. */
export function writeCursor(value: Readonly<Record<string, number | string>>): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** The cursor's fields, each of the type that `shape` says. */
export function readCursor<S extends Record<string, 'number' | 'string'>>(
  text: string | undefined,
  shape: S,
): { [K in keyof S]: S[K] extends 'number' ? number : string } | null {
  if (text === undefined) return null
  try {
    if (text.length > 300) throw new Error('too long')
    const value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Record<string, unknown>
    for (const [key, type] of Object.entries(shape)) {
      const given = value[key]
      const fits = type === 'number' ? Number.isSafeInteger(given) : typeof given === 'string'
      if (!fits) throw new Error('wrong shape')
    }
    return value as never
  } catch {
    throw usage('This cursor is none that MARK gave.', 'Take next_cursor of the answer before.')
  }
}

/** The body as an object with no other keys than these. Without a body: {}. */
export async function bodyOf(context: Context, keys: readonly string[]): Promise<Record<string, unknown>> {
  const text = await textOf(context)
  if (text === '') return {}
  const type = context.req.header('content-type')?.split(';')[0]?.trim()
  if (type !== 'application/json') throw usage('The body must be application/json.')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw usage('The body is not JSON.')
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw usage('The body must be a JSON object.')
  const given = Object.keys(value)
  const unknown = given.find(key => !keys.includes(key))
  if (unknown !== undefined || given.length > BODY_DEPTH_KEYS) {
    throw usage(`Unknown key ${JSON.stringify(String(unknown).slice(0, 64))} in the body.`, knows(keys))
  }
  return value as Record<string, unknown>
}

/** The raw body, at most 64 KB of it. */
export async function textOf(context: Context): Promise<string> {
  const length = Number(context.req.header('content-length') ?? '0')
  if (length > BODY_MAX_BYTES) throw usage(`The body is larger than ${BODY_MAX_BYTES} bytes.`)
  const reader = context.req.raw.clone().body?.getReader()
  const parts: Uint8Array[] = []
  let size = 0
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    size += read.value.length
    if (size > BODY_MAX_BYTES) {
      void reader?.cancel()
      throw usage(`The body is larger than ${BODY_MAX_BYTES} bytes.`)
    }
    parts.push(read.value)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** A text of at most `max` characters without control characters, or null. */
export function textField(value: unknown, name: string, max: number): string | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string' && value.length <= max && !/[\0-\x1f\x7f]/.test(value)) return value
  throw usage(`${name} is a text of at most ${max} characters on one line.`)
}

/** Names of variables with a text each; without it {}. */
export function textsField(value: unknown, name: string): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw usage(`${name} is an object of texts.`)
  const entries = Object.entries(value)
  if (entries.length > TEXTS_MAX) throw usage(`${name} has at most ${TEXTS_MAX} keys.`)
  return Object.fromEntries(
    entries.map(([key, text]) => {
      if (!VARIABLE.test(key)) throw usage(`A key of ${name} is no name of a variable.`)
      const given = textField(text, `${name}.${key}`, 4096)
      if (given === null) throw usage(`${name}.${key} is a text.`)
      return [key, given]
    }),
  )
}

/** RFC 3339 with an offset, as Unix milliseconds. */
export function momentField(value: unknown, name: string): number {
  const ms = typeof value === 'string' ? parseRfc3339(value) : null
  if (ms === null) throw usage(`${name} is a time such as 2026-01-31T12:00:00Z.`)
  return ms
}

/** Without it false. */
export function truthField(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  throw usage(`${name} is true or false.`)
}

function knows(keys: readonly string[]): string {
  return keys.length === 0 ? 'None is known here.' : `Known: ${keys.join(', ')}.`
}
