/**
 * Go's crash reports: `panic:` (nested, recovered, repanicked), `fatal error:`, a signal's dump, a panic
 * that net/http or a deferred function caught and logged with its stack. All goroutines belong to the report;
 * type, frame and frames are of the first. Looks only forward from one line; null when no report starts
 * there.
 */
import type { Frame, Traceback } from './traceback-shape.ts'

const GOROUTINE =
  /^goroutine \d{1,19}(?: gp=\S{1,40})?(?: m=\S{1,40})?(?: mp=\S{1,40})? \[[^\]]{1,200}\].{0,200}:$/
const RUNTIME_STACK = /^runtime stack:$/
const PLACE = /^\s{1,16}(\S.{0,1000}):(\d{1,9})(?: \+0x[0-9a-f]{1,16})?(?: fp=.{0,200})?$/
const HTTP = 'http: panic serving '
const OVERFLOW = /^runtime: goroutine stack exceeds \d+-byte limit$/
const SIGNAL = /^(SIG[A-Z]{2,8}): (.{1,100})$/
/** Between the message and the first goroutine. */
const ASIDE = /^(?:\[signal |PC=0x|m=\d|runtime: |\[originating from )/
/** Another report begins: this one has no stack. */
const BEGINS = /^(?:panic|fatal error): /
const AMONG_FRAMES = /^(?:\.\.\.(?:additional|\d{1,9}) .{0,40}|goroutine running on other thread.{0,60})$/
const REGISTER = /^[a-z][a-z0-9]{1,6} +0x[0-9a-f]{1,16}$/
const CAUGHT = / \[recovered(, repanicked)?\]$/
const IN_RUNTIME = /^(?:runtime|runtime\/debug|internal\/runtime\/\w{1,40}|testing)\./
const MAX_HEAD_LINES = 30
/** Go indents what follows the first line of a message; before 1.18 it did not. */
const MAX_BARE_LINES = 4
const MAX_BLOCK_LINES = 20_000

interface Head {
  readonly type: string
  readonly message: string | null
  readonly rootCause: string | null
  /** The stack is of the function that caught it: what raised it stands below `panic(`. */
  readonly caught: boolean
}

/** The report whose first line is `lines[start]`; null when none starts there. */
export function findGo(lines: readonly string[], start: number): Traceback | null {
  const line = lines[start] as string
  const begun = begin(line, lines[start + 1] ?? '')
  if (!begun) return null
  const stack = GOROUTINE.test(line) ? { at: start, text: [] } : toStack(lines, start + 1)
  if (!stack) return null
  const head = headOf(begun, stack.text)
  const { frames, end } = readStacks(lines, stack.at, begun.kind === 'bare')
  if (frames.length === 0) return null
  return {
    language: 'go',
    type: head.type,
    message: head.message,
    firstLine: start + 1,
    lastLine: end,
    frame: raisedAt(frames, head.caught),
    rootCause: head.rootCause,
    frames: frames.slice().reverse(),
  }
}

interface Begun {
  readonly kind: 'panic' | 'caught' | 'fatal' | 'overflow' | 'signal' | 'bare'
  readonly type: string
  readonly text: string
}

function begin(line: string, next: string): Begun | null {
  if (line.startsWith('panic: ')) return { kind: 'panic', type: 'panic', text: line.slice(7) }
  if (line.startsWith('fatal error: ')) return { kind: 'fatal', type: 'fatal error', text: line.slice(13) }
  if (GOROUTINE.test(line)) return { kind: 'bare', type: 'panic', text: '' }
  if (OVERFLOW.test(line)) return { kind: 'overflow', type: 'fatal error', text: 'stack overflow' }
  const signal = next.startsWith('PC=0x') ? SIGNAL.exec(line) : null
  if (signal) return { kind: 'signal', type: signal[1] as string, text: signal[2] as string }
  const http = line.indexOf(HTTP)
  const said = http < 0 || http > 300 ? -1 : line.indexOf(': ', http + HTTP.length)
  return said < 0 ? null : { kind: 'caught', type: 'panic', text: line.slice(said + 2) }
}

/** Where the first stack begins, and the lines of the message before it. */
function toStack(lines: readonly string[], from: number): { at: number; text: readonly string[] } | null {
  const text: string[] = []
  let ended = false
  for (let at = from; at < Math.min(lines.length, from + MAX_HEAD_LINES); at++) {
    const line = lines[at] as string
    if (GOROUTINE.test(line) || RUNTIME_STACK.test(line)) return { at, text }
    if (ASIDE.test(line) || line === '') ended = true
    else if (line.startsWith('fatal error: ') && ended) continue
    else if (ended || BEGINS.test(line)) return null
    else if (text.push(line) > MAX_BARE_LINES && !line.startsWith('\t')) return null
  }
  return null
}

function headOf(begun: Begun, behind: readonly string[]): Head {
  const { type, kind } = begun
  if (kind === 'bare') return { type, message: null, rootCause: null, caught: true }
  if (kind === 'overflow') return { type, message: begun.text, rootCause: null, caught: false }
  const panics = [begun.text]
  for (const line of behind) {
    const nested = kind === 'panic' ? /^\t+panic: (.*)$/.exec(line) : null
    if (nested) panics.push(nested[1] as string)
    else panics.push(`${panics.pop()}\n${line.replace(/^\t/, '')}`)
  }
  const last = panics.at(-1) as string
  const texts = panics.map(text => text.replace(CAUGHT, ''))
  const again = texts.length > 1 && texts.at(-1) === texts.at(-2)
  const caught = kind === 'caught' || again || CAUGHT.exec(last)?.[1] !== undefined
  const rootCause = new Set(texts).size > 1 ? 'panic' : null
  return { type, message: texts.at(-1) as string, rootCause, caught }
}

/**
 * The first goroutine's frames, innermost first, and the index behind the last stack. No frames: there is no
 * report here. `caught`: the first goroutine must have panicked.
 */
function readStacks(
  lines: readonly string[],
  from: number,
  caught: boolean,
): { frames: Frame[]; end: number } {
  const frames: Frame[] = []
  const limit = Math.min(lines.length, from + MAX_BLOCK_LINES)
  let goroutines = 0
  let at = from
  let end = from
  while (at < limit) {
    const line = lines[at] as string
    if (goroutines === 1 && (line === '' || GOROUTINE.test(line))) {
      const worth = caught ? frames.some(frame => frame.function === 'panic') : frames.length > 0
      if (!worth) return { frames: [], end }
    }
    if (line === '') {
      if (!startsStack(lines[at + 1])) break
      at++
      continue
    }
    const frame = readFrame(line, lines[at + 1] ?? '')
    if (frame) {
      if (goroutines === 1 && !line.startsWith('created by ')) frames.push(frame)
      at += 2
    } else if (GOROUTINE.test(line)) {
      goroutines++
      at++
    } else if (RUNTIME_STACK.test(line) || AMONG_FRAMES.test(line) || REGISTER.test(line)) at++
    else break
    end = at
  }
  return caught && !frames.some(frame => frame.function === 'panic') ? { frames: [], end } : { frames, end }
}

function startsStack(line: string | undefined): boolean {
  return line !== undefined && (GOROUTINE.test(line) || RUNTIME_STACK.test(line) || REGISTER.test(line))
}

/** `main.(*Book).Best(0xc000012345)` and below it the place. */
function readFrame(line: string, below: string): Frame | null {
  const place = PLACE.exec(below)
  if (!place) return null
  const created = line.startsWith('created by ')
  if (!created && !line.endsWith(')')) return null
  const name = created
    ? line.slice(11).replace(/ in goroutine \d+$/, '')
    : line.slice(0, line.lastIndexOf('('))
  if (name === '' || name.length > 600 || /^\s/.test(name)) return null
  return { file: place[1] as string, line: Number(place[2]), function: name }
}

/** The innermost frame that is not the runtime's own. */
function raisedAt(frames: readonly Frame[], caught: boolean): Frame | null {
  const panicked = frames.findIndex(frame => frame.function === 'panic')
  const below = caught || panicked === 0 ? frames.slice(panicked + 1) : frames
  return below.find(frame => !IN_RUNTIME.test(frame.function ?? '')) ?? below[0] ?? frames[0] ?? null
}
