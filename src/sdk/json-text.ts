/**
 * JSON values to text and back, for PersistentMap. Promises: what comes back equals what went in, or it
 * raises: nothing becomes null, is left out or is rounded on the way. Never trusts JSON.stringify with what
 * is no JSON.
 */
import { PersistentMapError } from './map-error.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

const DEPTH_MAX = 500
/** Only such texts can hold a number that JavaScript would round. */
const SUSPECT = /\d{16}|\d[eE]/
const KEY_CHARS_MAX = 4096

/** @throws PersistentMapError `value` when it is no JSON: NaN, undefined, Date, Map, BigInt, a ring. */
export function toText(value: Json): string {
  check(value, 0)
  return JSON.stringify(value)
}

/** @throws PersistentMapError `value` for a number that JavaScript cannot hold, as Python may write one. */
export function fromText(text: string): Json {
  if (!SUSPECT.test(text)) return JSON.parse(text) as Json
  return JSON.parse(text, exact as (this: unknown, key: string, value: unknown) => unknown) as Json
}

/** Keys are text without NUL that UTF-8 can hold. */
export function checkKey(key: string): void {
  if (typeof key !== 'string') throw refused(`a key is text, not ${typeof key}`)
  if (key.length > KEY_CHARS_MAX) throw refused(`a key has at most ${KEY_CHARS_MAX} characters`)
  if (key.includes('\0') || !key.isWellFormed()) throw refused('a key holds no NUL and no half character')
}

function check(value: unknown, depth: number): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return
    throw refused(`${value} is no JSON`)
  }
  if (typeof value !== 'object') throw refused(`${typeof value} is no JSON`)
  if (depth > DEPTH_MAX) throw refused(`nested deeper than ${DEPTH_MAX}, or a ring`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], depth + 1)
    return
  }
  const shape = Object.getPrototypeOf(value)
  if (shape !== Object.prototype && shape !== null) {
    throw refused(`${value.constructor?.name ?? 'an object of a class'} is no JSON: a plain object is`)
  }
  for (const key in value) check((value as Record<string, unknown>)[key], depth + 1)
}

function exact(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number') return value
  const source = context?.source
  const rounded =
    source === undefined
      ? Number.isInteger(value) && !Number.isSafeInteger(value)
      : /^-?\d+$/.test(source) && source !== String(value) && BigInt(source) !== BigInt(value)
  if (rounded || !Number.isFinite(value)) {
    throw refused(`the stored number ${source ?? value} is larger than JavaScript can hold: store it as text`)
  }
  return value
}

function refused(why: string): PersistentMapError {
  return new PersistentMapError('value', `PersistentMap: ${why}.`)
}
