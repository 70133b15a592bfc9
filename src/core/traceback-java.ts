/**
 * Stack traces of the JVM (Java, Kotlin, Scala, Groovy): of an uncaught exception with its thread, or as a
 * logger prints them; causes, suppressed and circular ones, several lines of message. Looks only forward from
 * one line; null when none starts there. Stacks of Node look alike but carry a column, and are not taken.
 */
import type { Frame, Traceback } from './traceback-shape.ts'

const IN_THREAD = /^Exception in thread ".{0,300}" ([A-Za-z_$][\w.$]{0,300})(?:: (.*))?$/
const BARE = /^([A-Za-z_$][\w.$]{0,300})(?:: (.*))?$/
const FROM_HANDLER =
  /^Exception: ([\w.$]{1,300}) thrown from the UncaughtExceptionHandler in thread ".{0,300}"$/
/** `at app//java.base/java.lang.Thread.run(Thread.java:840) ~[lib.jar:1.2]`. */
const AT = /^\s{1,20}at (?:[\w.$@-]{0,200}\/){0,2}([^\s()]{1,600})\(([^()]{1,300})\)(?: ~?\[.{0,300}\])?$/
/** Frames of another language. */
const ANY_AT = /^\s{1,20}at \S/
const PLACE =
  /^(?:([\w$.-]{1,300}):(\d{1,9})|[\w$-]{1,300}\.\w{1,10}|Native Method|Unknown Source|<generated>)$/
const MORE = /^\s{1,20}(?:\.\.\. (?:\d{1,9} )?(?:more|common frames omitted)|\[CIRCULAR REFERENCE)/
const BELOW =
  /^(\s{0,20})(Caused by|Suppressed): (?:\[CIRCULAR REFERENCE: ?)?([A-Za-z_$][\w.$]{0,300})(?::|\]|$)/
const AN_ERROR = /(?:Exception|Error|Throwable)$/
/** What another message in the log begins with. */
const NEXT_LINE = /^(?:\[?\d{4}-\d\d-\d\d|\[?\d\d:\d\d:\d\d)/
const MAX_MESSAGE_LINES = 20
const MAX_BLOCK_LINES = 10_000

/** The trace whose first line is `lines[start]`; null when none starts there. */
export function findJava(lines: readonly string[], start: number): Traceback | null {
  const line = lines[start] as string
  const thread = line.startsWith('Exception') ? (IN_THREAD.exec(line) ?? FROM_HANDLER.exec(line)) : null
  const head = thread ?? BARE.exec(line)
  if (!head) return null
  const type = head[1] as string
  const said = head[2] ?? null
  const from = firstFrame(lines, start + 1, AN_ERROR.test(type) || thread !== null)
  if (from === null) return thread && named(type) ? whole(lines, start, type, said, start + 1) : null
  if (!thread && !named(type)) return null
  // The launcher's own `Error: Could not find or load main class` is no exception, though it names a cause.
  if (!thread && !type.includes('.') && BELOW.test(lines[from] as string)) return null
  const message = said === null ? null : [said, ...lines.slice(start + 1, from)].join('\n')
  return whole(lines, start, type, message, from)
}

/** A class of a package or inside another, or one whose name says that it is an error. */
function named(type: string): boolean {
  return /[a-z]\.[A-Z]|\$/.test(type) || AN_ERROR.test(type)
}

/** Index of the first frame (or cause); null when something else comes first. `far`: behind more message. */
function firstFrame(lines: readonly string[], from: number, far: boolean): number | null {
  const limit = Math.min(lines.length, from + (far ? MAX_MESSAGE_LINES : 1))
  for (let at = from; at < limit; at++) {
    const line = lines[at] as string
    if (readFrame(line) || MORE.test(line)) return at
    if (BELOW.test(line)) return at > from ? null : at
    if (ANY_AT.test(line)) return null
    if (NEXT_LINE.test(line) || AN_ERROR.test(BARE.exec(line)?.[1] ?? '') || IN_THREAD.test(line)) return null
  }
  return null
}

function whole(
  lines: readonly string[],
  start: number,
  type: string,
  message: string | null,
  from: number,
): Traceback | null {
  const frames: Frame[] = []
  let rootCause: string | null = null
  let outermost = true
  let at = from
  const limit = Math.min(lines.length, start + MAX_BLOCK_LINES)
  while (at < limit) {
    const line = lines[at] as string
    const frame = readFrame(line)
    const below = frame ? null : BELOW.exec(line)
    if (frame && outermost) frames.push(frame)
    if (below) {
      outermost = false
      if (below[1] === '' && below[2] === 'Caused by') rootCause = below[3] as string
      at = firstFrame(lines, at + 1, true) ?? at + 1
    } else if (frame || MORE.test(line)) at++
    else break
  }
  return {
    language: 'java',
    type,
    message,
    firstLine: start + 1,
    lastLine: at,
    frame: frames[0] ?? null,
    rootCause,
    frames: frames.reverse(),
  }
}

function readFrame(line: string): Frame | null {
  if (line.length > 2000) return null
  const match = AT.exec(line)
  const place = match ? PLACE.exec(match[2] as string) : null
  if (!match || !place) return null
  const file = place[1] ?? (match[2] as string)
  return { file, line: place[2] === undefined ? null : Number(place[2]), function: match[1] as string }
}
