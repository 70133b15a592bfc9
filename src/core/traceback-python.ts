/**
 * Python tracebacks: plain, chained (`During handling...`, `The above exception...`), SyntaxError without a
 * header, exception groups. Looks only forward from one line; null when no traceback starts there.
 */
import type { Frame, Traceback } from './traceback-shape.ts'

interface Block {
  readonly type: string
  readonly message: string | null
  readonly frames: readonly Frame[]
  /** Index behind the block. */
  readonly end: number
}

const HEADER = /^(\s{0,80})Traceback \(most recent call last\):\s*$/
const GROUP = /^(\s{0,80})\+ Exception Group Traceback \(most recent call last\):\s*$/
const FRAME = /^\s*File "([^"]{1,4096})", line (\d{1,9})(?:, in (.{1,400}))?\s*$/
const RAISED = /^([A-Za-z_][\w.]{0,200}(?:<locals>[\w.]{1,200})?)(?:: ?(.*))?$/
const CHAIN = new Set([
  'During handling of the above exception, another exception occurred:',
  'The above exception was the direct cause of the following exception:',
])
/** A TaskGroup raises its group from inside asyncio: its own code is where to look. */
const IN_STANDARD_LIBRARY = /\/lib\/python\d[\d.]*\/(?!site-packages|dist-packages)/
const MAX_BLOCK_LINES = 5000

/** The traceback whose first line is `lines[start]`; null when none starts there. */
export function findPython(lines: readonly string[], start: number): Traceback | null {
  const first = lines[start] as string
  if (GROUP.test(first)) return group(lines, start)
  if (HEADER.test(first)) return chain(lines, start)
  return syntaxError(lines, start)
}

function chain(lines: readonly string[], start: number): Traceback | null {
  let block = readBlock(lines, start)
  if (!block) return null
  const rootCause = block.type
  let count = 1
  for (;;) {
    const next = chained(lines, block.end)
    const following = next === null ? null : readBlock(lines, next)
    if (!following) break
    block = following
    count++
  }
  return asTraceback(block, start, block.end, count > 1 ? rootCause : null)
}

/** Index of the next header when the block that ended before `at` is the cause of another; else null. */
function chained(lines: readonly string[], at: number): number | null {
  let index = at
  while (index < at + 2 && lines[index]?.trim() === '') index++
  if (!CHAIN.has((lines[index] ?? '').trim())) return null
  index++
  while (lines[index]?.trim() === '') index++
  return HEADER.test(lines[index] ?? '') ? index : null
}

function readBlock(lines: readonly string[], start: number): Block | null {
  const indent = (HEADER.exec(lines[start] as string)?.[1] ?? '').length
  const frames: Frame[] = []
  const limit = Math.min(lines.length, start + MAX_BLOCK_LINES)
  for (let index = start + 1; index < limit; index++) {
    const line = (lines[index] as string).slice(indent)
    const frame = FRAME.exec(line)
    if (frame && line.startsWith('  ')) {
      frames.push({ file: frame[1] as string, line: Number(frame[2]), function: frame[3] ?? null })
      continue
    }
    if (line.startsWith('  ')) continue
    const raised = RAISED.exec(line.trimEnd())
    if (!raised || frames.length === 0) return null
    return withMessage(lines, index, indent, raised, frames)
  }
  return null
}

function withMessage(
  lines: readonly string[],
  index: number,
  indent: number,
  raised: RegExpExecArray,
  frames: readonly Frame[],
): Block {
  const message = raised[2] === undefined ? [] : [raised[2]]
  let end = index + 1
  while (end < lines.length && message.length > 0 && message.length < 50) {
    const line = (lines[end] as string).slice(indent)
    if (line.trim() === '' || !/^\s/.test(line) || FRAME.test(line)) break
    message.push(line)
    end++
  }
  return { type: raised[1] as string, message: message.length > 0 ? message.join('\n') : null, frames, end }
}

/** `  File "x.py", line 3` of a file that could not be compiled: there is no header then. */
function syntaxError(lines: readonly string[], start: number): Traceback | null {
  const frame = /^ {2}File "([^"]{1,4096})", line (\d{1,9})$/.exec(lines[start] as string)
  if (!frame) return null
  for (let index = start + 1; index < Math.min(lines.length, start + 6); index++) {
    const raised = /^(SyntaxError|IndentationError|TabError): (.*)$/.exec(lines[index] as string)
    if (!raised) continue
    const frames = [{ file: frame[1] as string, line: Number(frame[2]), function: null }]
    return asTraceback(
      { type: raised[1] as string, message: raised[2] as string, frames, end: index + 1 },
      start,
      index + 1,
      null,
    )
  }
  return null
}

/** The tree of an ExceptionGroup: drawn with `|` and `+`; its first leaf counts as the root cause. */
function group(lines: readonly string[], start: number): Traceback | null {
  let end = start + 1
  while (end < lines.length && end < start + MAX_BLOCK_LINES && /^\s*[|+]/.test(lines[end] as string)) end++
  const drawn = lines.slice(start + 1, end)
  const split = drawn.findIndex(line => /^\s*\+-\+-/.test(line))
  const outer = (split < 0 ? drawn : drawn.slice(0, split)).map(line => line.replace(/^\s*\| ?/, ''))
  const block = readBlock(['Traceback (most recent call last):', ...outer], 0)
  if (!block) return null
  const inner = split < 0 ? [] : drawn.slice(split).map(line => line.replace(/^(?:\s*\|)+ ?/, ''))
  const raised = block.frames.findLast(frame => !IN_STANDARD_LIBRARY.test(frame.file))
  const one = asTraceback(block, start, end, firstLeaf(inner))
  return raised ? { ...one, frame: raised } : one
}

function firstLeaf(lines: readonly string[]): string | null {
  for (let index = 0; index < lines.length; index++) {
    if (!HEADER.test(lines[index] as string)) continue
    const block = readBlock(lines, index)
    if (block) return block.type
  }
  return null
}

function asTraceback(block: Block, start: number, end: number, rootCause: string | null): Traceback {
  const { type, message, frames } = block
  const frame = frames.at(-1) ?? null
  return { language: 'python', type, message, firstLine: start + 1, lastLine: end, frame, rootCause, frames }
}
