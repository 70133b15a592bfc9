/**
 * What travels over the link as text (docs/link.md): envelopes, requests and replies. Pure and total in
 * reading: what is no such text is answered by null, never thrown.
 */
import { type Json, toText } from './json-text.ts'

/** Leaves room in a frame for the topic and what stands around the data. */
export const DATA_MAX_CHARS = 200_000
const ID_MAX_CHARS = 100

export interface Envelope {
  readonly epoch: string
  readonly seq: number
  readonly data: Json
}

export interface Request {
  readonly id: string
  readonly ts: number
  readonly expires: number
  readonly data: Json
}

export type Reply = { readonly v: 1; readonly id: string } & (
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } }
)

/** Throws TypeError for what is no JSON, RangeError for what is too long: before anything is sent. */
export function checkedData(data: Json): Json {
  let text: string
  try {
    text = toText(data)
  } catch (error) {
    throw new TypeError((error as Error).message.replace('PersistentMap', 'link'))
  }
  if (Buffer.byteLength(text) > DATA_MAX_CHARS) throw new RangeError('link: more than 200 KB of data')
  return data
}

export function writeEnvelope({ epoch, seq, data }: Envelope): string {
  return JSON.stringify({ v: 1, epoch, seq, data })
}

/** null: it is none, and is handed on as `plainData` has it. */
export function readEnvelope(text: string): Envelope | null {
  const found = objectIn(text)
  if (found?.v !== 1 || !Object.hasOwn(found, 'data')) return null
  const { epoch, seq, data } = found
  if (typeof epoch !== 'string' || epoch === '' || !Number.isSafeInteger(seq) || (seq as number) < 1)
    return null
  return { epoch, seq: seq as number, data: data as Json }
}

/** JSON where it parses, else the text. */
export function plainData(text: string): Json {
  return (parse(text) ?? (text.trim() === 'null' ? null : text)) as Json
}

export function writeRequest({ id, ts, expires, data }: Request): string {
  return JSON.stringify({ v: 1, id, ts, expires, data })
}

export function readRequest(text: string): Request | null {
  const found = objectIn(text)
  if (found?.v !== 1 || !isId(found.id) || !Object.hasOwn(found, 'data')) return null
  const { id, ts, expires, data } = found
  if (!Number.isFinite(ts) || !Number.isFinite(expires)) return null
  return { id, ts: ts as number, expires: expires as number, data: data as Json }
}

export function readReply(text: string): Reply | null {
  const found = objectIn(text)
  if (found?.v !== 1 || !isId(found.id)) return null
  const { id, ok, value, error } = found
  if (ok === true) return { v: 1, id, ok, value: (value ?? null) as Json }
  const { code, message } = (isObject(error) ? error : {}) as { code?: unknown; message?: unknown }
  if (ok !== false || typeof code !== 'string') return null
  return { v: 1, id, ok, error: { code, message: typeof message === 'string' ? message : '' } }
}

function objectIn(text: string): Record<string, unknown> | null {
  const value = parse(text)
  return isObject(value) ? value : null
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= ID_MAX_CHARS
}
