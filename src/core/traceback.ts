/**
 * Finds the Python and Node tracebacks in the output of a run and says what each one is: where it starts and
 * ends, its type, message, innermost frame and root cause. Pure text work in time linear in the input; never
 * guesses a traceback where there is only prose, and never throws on whatever bytes a module wrote.
 */
import { findNode } from './traceback-node.ts'
import { findPython } from './traceback-python.ts'
import type { Traceback } from './traceback-shape.ts'

const MAX_LINE = 65_536
const FINGERPRINT_FRAMES = 20

/** All tracebacks in `lines`, in order, never overlapping. */
export function findTracebacks(lines: readonly string[]): Traceback[] {
  const clean = lines.map(line => (line.endsWith('\r') ? line.slice(0, -1) : line))
  const found: Traceback[] = []
  let index = 0
  while (index < clean.length) {
    const line = clean[index] as string
    const one =
      line.length > MAX_LINE
        ? null
        : (inJson(line, index) ?? findPython(clean, index) ?? findNode(clean, index))
    if (one) found.push(one)
    index = one ? one.lastLine : index + 1
  }
  return found
}

/**
 * The text whose hash is the fingerprint: equal for equal crashes, whatever the line numbers, addresses and
 * messages are.
 */
export function fingerprintText(one: Traceback): string {
  const frames = one.frames.slice(-FINGERPRINT_FRAMES).map(frame => `${frame.file}:${frame.function ?? ''}`)
  return [one.language, one.type, one.rootCause ?? '', ...frames].join('\n')
}

/** A line with everything that varies between two equal failures taken out; at most 300 characters. */
export function lineTemplate(line: string): string {
  return line
    .slice(0, 600)
    .replace(/^\[?\d{4}-\d\d-\d\d[T ][\d:.,+Z-]+\]?\s*/, '')
    .replace(/\b0x[0-9a-f]+\b/gi, '<*>')
    .replace(/\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b/gi, '<*>')
    .replace(/\d+(?:[.,:]\d+)*/g, '<*>')
    .slice(0, 300)
}

const JSON_KEYS = ['err', 'error', 'exception', 'exc_info', 'traceback', 'stack', 'stack_trace']

/** A structured log line (pino, structlog, python-json-logger) that carries a stack in one of its values. */
function inJson(line: string, index: number): Traceback | null {
  if (!line.startsWith('{') || !/"(?:stack|exc_info|exception|traceback|stack_trace)"/.test(line)) return null
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    return null
  }
  for (const key of JSON_KEYS) {
    const one = inValue((record as Record<string, unknown>)[key], index)
    if (one) return one
  }
  return null
}

function inValue(value: unknown, index: number): Traceback | null {
  if (value !== null && typeof value === 'object') {
    const { stack, type, message } = value as Record<string, unknown>
    const one = inValue(stack, index)
    if (!one) return null
    return {
      ...one,
      type: typeof type === 'string' && type !== 'Object' ? type : one.type,
      message: typeof message === 'string' ? message : one.message,
    }
  }
  if (typeof value !== 'string') return null
  const lines = value.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const one = findPython(lines, at) ?? findNode(lines, at)
    if (one) return { ...one, firstLine: index + 1, lastLine: index + 1 }
  }
  return null
}
