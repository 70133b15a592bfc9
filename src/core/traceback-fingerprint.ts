/**
 * What of a crash is the same when it happens again: type, cause and functions without line numbers,
 * addresses, hashes and the numbers in generated names. Pure text; the caller hashes it.
 */
import type { Frame, Traceback } from './traceback-shape.ts'

const FRAMES = 20

/** Equal for equal crashes, whatever the line numbers, threads, addresses and values in messages are. */
export function fingerprintText(one: Traceback): string {
  const frames = one.frames.slice(-FRAMES).map(placeOf)
  // Where in its cycle a recursion runs out of stack is chance.
  const cycle = new Set(frames).size < frames.length
  const places = cycle ? [...new Set(frames)].sort() : frames
  // A place without a function is a whole file: only the message tells its failures apart.
  const said = one.frames.some(frame => frame.function !== null) ? [] : [messageClass(one.message ?? '')]
  return [one.language, one.type, one.rootCause ?? '', ...places, ...said].join('\n')
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

function placeOf(frame: Frame): string {
  return `${stable(frame.file)}:${frame.function === null ? '' : stable(frame.function)}`
}

/** A path or a function's name without what a compiler, a runtime or a release put into it. */
function stable(name: string): string {
  return name
    .slice(0, 1000)
    .replace(/^\.\//, '')
    .replace(/::h[0-9a-f]{16}$/, '')
    .replace(/\$\$Lambda(?:\$\d+)?(?:\/(?:0x)?[0-9a-f]+)?(?:@[0-9a-f]+)?/g, '$$$$Lambda')
    .replace(/(lambda\$[\w$]*?)\$?\d+\b/g, '$1')
    .replace(/\b0x[0-9a-f]+/gi, '<*>')
    .replace(/(^|[^A-Za-z])(?=[0-9a-f]*\d)[0-9a-f]{7,}(?![A-Za-z])/gi, '$1<*>')
    .replace(/(Accessor|\$Proxy|CGLIB\$\$)[0-9a-f]+/g, '$1<*>')
    .replace(/\d{4,}/g, '<*>')
}

/** The kind of failure that a message names: up to its first colon, without values, names and numbers. */
function messageClass(message: string): string {
  const first = (message.split('\n', 1)[0] as string).slice(0, 300)
  const kind = first.includes(': ') ? first.slice(0, first.indexOf(': ')) : first
  const bare = kind.replace(/'[^']*'|"[^"]*"/g, '<*>').replace(/\b[A-Z][A-Z0-9_/-]{2,}\b/g, '<*>')
  return lineTemplate(bare).slice(0, 100)
}
