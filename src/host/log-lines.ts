/**
 * Bytes of a log as lines with time, level and run. A line without a time of its own takes the one of the
 * line before it (a traceback belongs to what it follows) or of MARK's index, and is then not `exact`.
 */
import { type LogLine, parseLine } from '../core/log-line.ts'
import { type IndexEntry, readIndex } from './log-file.ts'

export interface LineOptions {
  /** log.level_pattern of the module. */
  readonly levelPattern?: RegExp | null
  /** What a time that names no zone is ahead of UTC; this host's zone by default. */
  readonly zoneOffsetMs?: number
}

export const LINE_MAX_BYTES = 64 * 1024

export class LineAssembler {
  readonly #logs: string
  readonly #module: string
  readonly #options: LineOptions
  #index: IndexEntry[] = []
  #starts: IndexEntry[] = []
  #carriedMs: number | null = null

  constructor(logs: string, module: string, options: LineOptions = {}) {
    this.#logs = logs
    this.#module = module
    this.#options = { zoneOffsetMs: -60_000 * new Date().getTimezoneOffset(), ...options }
    this.refresh()
  }

  /** Reads the index again. */
  refresh(): void {
    this.#index = readIndex(this.#logs, this.#module)
    this.#starts = startsIn(this.#index)
  }

  /**
   * The complete lines in `bytes`, which begin at logical `offset`. `flush`: what is left without a newline
   * is a line too, marked `continued`. The last line's `end` tells how far this went.
   */
  assemble(bytes: Buffer, offset: number, flush: boolean): LogLine[] {
    const lines: LogLine[] = []
    let at = 0
    while (at < bytes.length) {
      const newline = bytes.indexOf(10, at)
      const end = newline < 0 ? bytes.length : newline
      if (end - at > LINE_MAX_BYTES) {
        const cut = at + wholeCharacters(bytes, at, LINE_MAX_BYTES)
        lines.push(this.#line(bytes.subarray(at, cut), offset + at, offset + cut, true))
        at = cut
        continue
      }
      if (newline < 0 && !flush) break
      const after = newline < 0 ? end : newline + 1
      lines.push(this.#line(bytes.subarray(at, end), offset + at, offset + after, newline < 0))
      at = after
    }
    return lines
  }

  #line(bytes: Buffer, offset: number, end: number, continued: boolean): LogLine {
    const text = bytes.toString('utf8').replace(/\r$/, '')
    const facts = parseLine(text, this.#options.levelPattern ?? null, this.#options.zoneOffsetMs)
    const exact = facts.timeMs !== null
    if (exact) this.#carriedMs = facts.timeMs
    const timeMs = facts.timeMs ?? this.#estimateMs(offset)
    const runId = lastUpTo(this.#starts, offset)?.runId ?? null
    return { module: this.#module, offset, end, timeMs, exact, level: facts.level, text, runId, continued }
  }

  #estimateMs(offset: number): number | null {
    const before = lastUpTo(this.#index, offset)
    if (before === undefined) return this.#carriedMs ?? this.#index[0]?.timeMs ?? null
    return Math.max(before.timeMs, this.#carriedMs ?? 0)
  }
}

/** The first entry of each run: later ones mark its growth and its end. */
function startsIn(index: readonly IndexEntry[]): IndexEntry[] {
  const seen = new Set<string>()
  return index.filter(entry => {
    if (entry.runId === null || seen.has(entry.runId)) return false
    seen.add(entry.runId)
    return true
  })
}

/** The last entry with an offset of at most `offset`; entries are in rising order. */
function lastUpTo(entries: readonly IndexEntry[], offset: number): IndexEntry | undefined {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((entries[middle] as IndexEntry).offset <= offset) low = middle + 1
    else high = middle
  }
  return entries[low - 1]
}

/** Length of at most `max` bytes that does not cut a UTF-8 character in two. */
function wholeCharacters(bytes: Buffer, at: number, max: number): number {
  let length = max
  while (length > max - 4 && ((bytes[at + length] as number) & 0xc0) === 0x80) length--
  return length
}
