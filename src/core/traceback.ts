/**
 * Finds the tracebacks of Python, Node, Go, Rust and Java in the output of a run and says what each one is:
 * where it starts and ends, its type, message, innermost frame and root cause. Pure text work in time linear
 * in the input; never guesses a traceback where there is only prose, never throws on what a module wrote.
 */
import { findGo } from './traceback-go.ts'
import { findJava } from './traceback-java.ts'
import { findNode } from './traceback-node.ts'
import { prefixLength, withoutPrefix } from './traceback-prefix.ts'
import { findPython } from './traceback-python.ts'
import { findRust } from './traceback-rust.ts'
import type { Traceback } from './traceback-shape.ts'

const MAX_LINE = 65_536

/** All tracebacks in `lines`, in order, never overlapping. */
export function findTracebacks(lines: readonly string[]): Traceback[] {
  const clean = lines.map(plain)
  const found: Traceback[] = []
  let index = 0
  while (index < clean.length) {
    const one = findAt(clean, index) ?? behindPrefix(clean, index) ?? cutOff(clean, index)
    if (one) found.push(one)
    index = one ? one.lastLine : index + 1
  }
  return found
}

/** Without the carriage return and the colours; a line that is too long says nothing. */
function plain(line: string): string {
  if (line.length > MAX_LINE) return ''
  const text = line.endsWith('\r') ? line.slice(0, -1) : line
  return text.includes('\u001b') ? text.replace(/\u001b\[[\d;]{0,20}m/g, '') : text
}

function findAt(lines: readonly string[], index: number): Traceback | null {
  const line = lines[index] as string
  if (line === '') return null
  return inJson(line, index) ?? inText(lines, index)
}

function inText(lines: readonly string[], index: number): Traceback | null {
  return (
    findPython(lines, index) ??
    findGo(lines, index) ??
    findRust(lines, index) ??
    findJava(lines, index) ??
    findNode(lines, index)
  )
}

function behindPrefix(lines: readonly string[], index: number): Traceback | null {
  if (lines[index] === '') return null
  const length = prefixLength(lines, index)
  return length === null ? null : inText(withoutPrefix(lines, index, length), index)
}

/** Only the end of the output is read: a Python traceback may have lost its header there. */
function cutOff(lines: readonly string[], index: number): Traceback | null {
  if (index > 0 || !/^ {2,6}\S/.test(lines[0] as string)) return null
  const one = findPython(['Traceback (most recent call last):', ...lines], 0)
  return one && { ...one, lastLine: one.lastLine - 1 }
}

const JSON_KEYS = [
  ...['err', 'error', 'exception', 'exc_info', 'traceback', 'stack', 'stack_trace'],
  ...['stackTrace', 'stacktrace', 'error.stack_trace', 'thrown'],
]
const JSON_STACK = /"(?:stack|exc_info|exception|traceback|(?:error\.)?stack_?trace)"/i

/** A structured log line (pino, structlog, logstash) that carries a stack in one of its values. */
function inJson(line: string, index: number): Traceback | null {
  if (!line.startsWith('{') || !JSON_STACK.test(line)) return null
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
    const { stack, stack_trace, stacktrace, type, message } = value as Record<string, unknown>
    const text = [stack, stack_trace, stacktrace].find(one => typeof one === 'string')
    const one = inValue(text, index)
    if (!one) return null
    return {
      ...one,
      type: typeof type === 'string' && type !== 'Object' ? type : one.type,
      message: typeof message === 'string' ? message : one.message,
    }
  }
  if (typeof value !== 'string') return null
  const lines = value.split('\n').map(plain)
  for (let at = 0; at < lines.length; at++) {
    const one = inText(lines, at)
    if (one) return { ...one, firstLine: index + 1, lastLine: index + 1 }
  }
  return null
}
