/**
 * Messages as lines that MARK will not refuse: a field that is not what the protocol wants is left out, a
 * text that is too long is cut. A slip in a figure must not cost the module its connection. Never throws.
 */
import {
  MODULE_LINE_MAX_BYTES,
  type ModuleMessage,
  parseModuleLine,
  TRACEBACK_MAX_CHARS,
} from '../contract/module.ts'

const TEXT_MAX_CHARS = 4096

/** null: there is nothing left of it to be said. */
export function lineOf(message: ModuleMessage): string | null {
  try {
    const whole = fitting(message)
    if (whole !== null && isUnderstood(whole)) return whole
    const kept = fitting(usable(message))
    return kept !== null && isUnderstood(kept) ? kept : null
  } catch {
    return null // A getter that throws, a ring, a BigInt among the labels.
  }
}

/** The message without the fields that would be refused, each tried alone beside what is required. */
function usable(message: ModuleMessage): ModuleMessage {
  const { type, ...fields } = message
  const needed = Object.fromEntries(Object.entries(fields).filter(([name]) => NEEDED.includes(name)))
  const kept: Record<string, unknown> = { type, ...needed }
  for (const [name, value] of Object.entries(fields)) {
    const line = tried({ type, ...needed, [name]: value })
    if (line !== null && isUnderstood(line)) kept[name] = value
  }
  return kept as unknown as ModuleMessage
}

const NEEDED = ['v', 'id', 'seq', 'ok', 'name', 'value', 'code', 'error']

function tried(message: object): string | null {
  try {
    return JSON.stringify(message)
  } catch {
    return null
  }
}

/** With its newline; lists and long texts give way until it fits. */
function fitting(message: ModuleMessage): string | null {
  for (const cut of [TRACEBACK_MAX_CHARS, TEXT_MAX_CHARS, 512, 64]) {
    const line = tried(cutTexts(message, cut))
    if (line === null) return null
    if (Buffer.byteLength(line) < MODULE_LINE_MAX_BYTES) return `${line}\n`
  }
  if (message.type !== 'heartbeat') return null
  const { feeds: _feeds, components: _components, ...rest } = message
  return `${JSON.stringify(cutTexts(rest, 64))}\n`
}

function cutTexts<T>(value: T, chars: number): T {
  if (typeof value === 'string') return value.slice(0, chars) as T
  if (Array.isArray(value)) return value.map(item => cutTexts(item, chars)) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cutTexts(item, chars)])) as T
}

function isUnderstood(line: string): boolean {
  const parsed = parseModuleLine(line)
  return parsed !== null && !('refused' in parsed)
}
