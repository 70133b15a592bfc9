/**
 * Rust's panics: before and since 1.73, with and without a backtrace, and a stack that overflowed. The place
 * is the one that the panic names; the function comes from the backtrace if there is one. Looks only forward
 * from one line; null when no panic starts there.
 */
import type { Frame, Traceback } from './traceback-shape.ts'

const THREAD = /^thread '.{0,200}?' (?:\(\d{1,19}\) )?(panicked at (.{1,8000})|has overflowed its stack)$/
const PLACE = /^(.{1,1000}):(\d{1,9}):\d{1,9}:$/
/** Before 1.73: `'message', src/main.rs:2:5`, where the message may have several lines. */
const QUOTED_END = /^(.{0,8000})', ([^']{1,1000}):(\d{1,9}):\d{1,9}$/
const NOTE = /^note: /
const BACKTRACE = /^stack backtrace:$/
const FUNCTION = /^\s{1,8}\d{1,5}: {1,12}(?:0x[0-9a-f]{1,16} - )?(\S.{0,4000})$/
/** What the compiler appends to a symbol: another one in every build. */
const HASH = /::h[0-9a-f]{16}$/
const AT = /^\s{4,60}at (.{1,1000}?):(\d{1,9})(?::\d{1,9})?$/
const OMITTED = /^\s{1,20}\[\.\.\. omitted \d{1,9} frames? \.\.\.\]$/
const IN_STANDARD_LIBRARY = new RegExp(
  String.raw`^(?:<?&?(?:dyn )?(?:std|core|alloc)(?:\[[0-9a-f]{1,16}\])?::|` +
    String.raw`<?__rust|rust_\w{1,80}$|_start$|main$|__libc|clone\d?$|<unknown>)`,
)
/** What another message in the log begins with: then this one ended before. */
const NEXT_LINE = /^(?:\[?\d{4}-\d\d-\d\d|\[?\d\d:\d\d:\d\d|thread '|fatal runtime error: |$)/
const MAX_MESSAGE_LINES = 20
const MAX_BACKTRACE_LINES = 4000

/** The panic whose first line is `lines[start]`; null when none starts there. */
export function findRust(lines: readonly string[], start: number): Traceback | null {
  const line = lines[start] as string
  const thread = line.startsWith("thread '") ? THREAD.exec(line) : null
  if (!thread) return null
  if (thread[2] === undefined) return overflow(lines, start)
  const head = thread[2].startsWith("'")
    ? quoted(lines, start, thread[2].slice(1))
    : placed(lines, start, PLACE.exec(thread[2]))
  if (!head) return null
  const { frames, end } = backtrace(lines, head.next)
  const called = frames.find(one => one.line === head.line && ends(one.file, head.file))
  const frame = { file: head.file, line: head.line, function: called?.function ?? null }
  const own = frames.filter(one => !IN_STANDARD_LIBRARY.test(one.function ?? ''))
  return {
    language: 'rust',
    type: 'panic',
    message: head.message,
    firstLine: start + 1,
    lastLine: end,
    frame,
    rootCause: null,
    frames: own.length > 0 ? own.reverse() : [frame],
  }
}

interface Head {
  readonly message: string
  readonly file: string
  readonly line: number
  readonly next: number
}

function placed(lines: readonly string[], start: number, place: RegExpExecArray | null): Head | null {
  if (!place || start + 1 >= lines.length) return null
  const next = endOfMessage(lines, start + 1)
  const message = lines.slice(start + 1, next).join('\n')
  return { message, file: place[1] as string, line: Number(place[2]), next }
}

/** Everything up to the note or backtrace; without one the first line and what is indented below it. */
function endOfMessage(lines: readonly string[], from: number): number {
  let at = from + 1
  const limit = Math.min(lines.length, from + MAX_MESSAGE_LINES)
  while (at < limit && !NEXT_LINE.test(lines[at] as string)) {
    if (NOTE.test(lines[at] as string) || BACKTRACE.test(lines[at] as string)) return at
    at++
  }
  at = from + 1
  while (at < limit && /^\s{1,20}\S/.test(lines[at] as string)) at++
  return at
}

function quoted(lines: readonly string[], start: number, first: string): Head | null {
  const text: string[] = []
  for (let at = start; at < Math.min(lines.length, start + MAX_MESSAGE_LINES); at++) {
    const line = at === start ? first : (lines[at] as string)
    if (at > start && NEXT_LINE.test(line)) return null
    const last = line.length > 10_000 ? null : QUOTED_END.exec(line)
    text.push(last ? (last[1] as string) : line)
    if (last) {
      const [, , file, number] = last
      return { message: text.join('\n'), file: file as string, line: Number(number), next: at + 1 }
    }
  }
  return null
}

/** Frames innermost first, and the index behind backtrace and notes. */
function backtrace(lines: readonly string[], from: number): { frames: Frame[]; end: number } {
  const frames: Frame[] = []
  let end = from
  while (end < from + 2 && NOTE.test(lines[end] ?? '')) end++
  if (!BACKTRACE.test(lines[end] ?? '')) return { frames, end }
  let called: string | null = null
  end++
  for (const limit = Math.min(lines.length, end + MAX_BACKTRACE_LINES); end < limit; end++) {
    const line = lines[end] as string
    const at = AT.exec(line)
    const named = at ? null : FUNCTION.exec(line)
    if (at) frames.push({ file: at[1] as string, line: Number(at[2]), function: called })
    else if (named) called = (named[1] as string).replace(HASH, '')
    else if (!OMITTED.test(line)) break
  }
  while (NOTE.test(lines[end] ?? '')) end++
  return { frames, end }
}

function overflow(lines: readonly string[], start: number): Traceback {
  const said = /^fatal runtime error: stack overflow/.test(lines[start + 1] ?? '')
  return {
    language: 'rust',
    type: 'stack overflow',
    message: null,
    firstLine: start + 1,
    lastLine: start + (said ? 2 : 1),
    frame: null,
    rootCause: null,
    frames: [],
  }
}

function ends(path: string, file: string): boolean {
  return path === file || path.endsWith(`/${file.replace(/^\.\//, '')}`)
}
