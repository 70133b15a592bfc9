/**
 * Node tracebacks: the report of an uncaught error (location, source, caret, stack), a bare stack in a log,
 * `[cause]` and AggregateError. Looks only forward from one line; null when no traceback starts there.
 * Stacks of the JVM look alike but carry no column, and are not taken for ours.
 */
import type { Frame, Traceback } from './traceback-shape.ts'

/** `    at place (file:///srv/app.mjs:6:65)`: name, then a place with line and column. */
const FILE = String.raw`(?:file:\/\/)?[^\s():][^():]{0,1000}(?::[^():\d][^():]{0,1000})?`
const AT = new RegExp(
  String.raw`^\s+at (?:async )?(?:(.{1,300}?) \()?(${FILE}):(\d{1,9}):\d{1,9}\)?,?(?: \{)?$`,
)
/** A function of the engine itself. */
const BUILT_IN = /^\s+at .{1,300} \((?:<anonymous>|native)\)$/
const ANY_AT = /^\s+(?:at \S|\.\.\. \d+ lines matching)/
const ERROR = /^(?:Uncaught )?([A-Za-z_$][\w$.]{0,200})(?: \[([\w.-]{1,100})\])?(?:: (.*))?$/
/** Behind a logger's own prefix only a name that says that it is an error counts. */
const PREFIXED = /(?:^|[\s:|\]])((?:[A-Z][\w$]{0,100})?(?:Error|Exception))(?: \[[\w.-]{1,100}\])?: (.*)$/
const BRACKETED = /^\[([A-Za-z_$][\w$.]{0,200})(?: \[[\w.-]{1,100}\])?(?:: (.*))?\] \{$/
const LOCATION =
  /^(?:(?:file:\/\/|node:|\/)\S{0,1000}|<anonymous_script>|undefined|evalmachine\.<anonymous>):\d{1,9}$/
const CARET = /^\s*\^+\s*$/
const MAX_BLOCK_LINES = 2000
const MAX_MESSAGE_LINES = 20
const MAX_SOURCE_LINES = 8

interface Head {
  readonly type: string
  readonly message: string | null
  /** Index of the first line behind the message. */
  readonly next: number
  /** Without a stack of its own: the block of properties follows at once. */
  readonly bracketed: boolean
}

/** The traceback whose first line is `lines[start]`; null when none starts there. */
export function findNode(lines: readonly string[], start: number): Traceback | null {
  const line = lines[start] as string
  if (LOCATION.test(line)) {
    const behind = behindCaret(lines, start)
    const head = behind === null ? null : readHead(lines, behind, true)
    return head ? whole(lines, start, head) : null
  }
  const head = /^\s|^$/.test(line) ? null : readHead(lines, start, false)
  return head ? whole(lines, start, head) : null
}

/** Index of the error's line, behind location, source, caret and a blank line. */
function behindCaret(lines: readonly string[], start: number): number | null {
  for (let index = start + 1; index < Math.min(lines.length, start + MAX_SOURCE_LINES); index++) {
    if (!CARET.test(lines[index] as string)) continue
    return lines[index + 1]?.trim() === '' ? index + 2 : index + 1
  }
  return null
}

function readHead(lines: readonly string[], at: number, reported: boolean): Head | null {
  const line = lines[at]
  if (line === undefined || line.length > 4096) return null
  const bracketed = BRACKETED.exec(line)
  if (bracketed && (reported || /Error$/.test(bracketed[1] as string))) {
    return { type: bracketed[1] as string, message: bracketed[2] ?? null, next: at + 1, bracketed: true }
  }
  const plain = ERROR.exec(line)
  const prefixed = plain ? null : PREFIXED.exec(line)
  const type = plain?.[1] ?? prefixed?.[1]
  if (type === undefined) return null
  const text = plain ? plain[3] : prefixed?.[2]
  const message = text === undefined ? [] : [text]
  let next = at + 1
  while (next < lines.length && message.length < MAX_MESSAGE_LINES && !ANY_AT.test(lines[next] as string)) {
    if (message.length === 0 || (!reported && !/^\s/.test(lines[next] as string))) return null
    if (/^Node\.js v/.test(lines[next] as string)) return null
    message.push(lines[next] as string)
    next++
  }
  if (!hasFrame(lines, next)) return null
  return { type, message: message.length > 0 ? message.join('\n') : null, next, bracketed: false }
}

/** V8's own functions, as in `at JSON.parse (<anonymous>)`, may stand above the first one with a place. */
function hasFrame(lines: readonly string[], from: number): boolean {
  let index = from
  while (index < from + 5 && BUILT_IN.test(lines[index] ?? '')) index++
  return AT.test(lines[index] ?? '')
}

function whole(lines: readonly string[], start: number, head: Head): Traceback {
  const frames: Frame[] = []
  let end = head.next
  let open = head.bracketed
  const limit = Math.min(lines.length, start + MAX_BLOCK_LINES)
  let own = true
  while (end < limit && !open) {
    const line = lines[end] as string
    if (/^Emitted '.{1,100}' event .{0,100}at:$/.test(line)) own = false
    else if (!ANY_AT.test(line)) break
    const frame = own ? readFrame(line) : null
    if (frame) frames.push(frame)
    open = line.endsWith(' {')
    end++
  }
  const inside = open ? propertyBlock(lines, end, limit) : []
  end += inside.length
  const nested = innerErrors(inside)
  const stack = frames.length > 0 ? frames : nested.frames
  return {
    language: 'node',
    type: head.type,
    message: head.message,
    firstLine: start + 1,
    lastLine: end,
    frame: stack[0] ?? null,
    rootCause: nested.rootCause,
    frames: stack.slice().reverse(),
  }
}

/** The lines up to and with the `}` that closes the error's own properties. */
function propertyBlock(lines: readonly string[], from: number, limit: number): readonly string[] {
  let outside = 0
  for (let index = from; index < limit && outside < MAX_MESSAGE_LINES; index++) {
    const line = lines[index] as string
    if (line === '}') return lines.slice(from, index + 1)
    if (/^\S/.test(line)) outside++
  }
  return []
}

/** Root cause: the deepest `[cause]`, else the first of `[errors]`; with the frames that stand below it. */
function innerErrors(block: readonly string[]): { rootCause: string | null; frames: Frame[] } {
  let rootCause: string | null = null
  let inErrors = false
  let at = -1
  for (let index = 0; index < block.length; index++) {
    const line = (block[index] as string).trim()
    const cause = /^\[cause\]: \[?([A-Za-z_$][\w$.]{0,200})(?: \[[\w.-]{1,100}\])?(?::|\]|$)/.exec(line)
    if (cause) {
      rootCause = cause[1] as string
      at = index
    }
    if (line === '[errors]: [') inErrors = true
    const one =
      inErrors && rootCause === null
        ? /^\[?([A-Za-z_$][\w$.]{0,200})(?: \[[\w.-]{1,100}\])?:/.exec(line)
        : null
    if (one) {
      rootCause = one[1] as string
      at = index
    }
  }
  const frames: Frame[] = []
  for (let index = at + 1; at >= 0 && index < block.length; index++) {
    const frame = readFrame(block[index] as string)
    if (!frame) break
    frames.push(frame)
  }
  return { rootCause, frames }
}

function readFrame(line: string): Frame | null {
  const match = AT.exec(line)
  if (!match) return null
  const file = (match[2] as string).replace(/^file:\/\//, '')
  return { file, line: Number(match[3]), function: match[1]?.replace(/^(?:async|new) /, '') ?? null }
}
