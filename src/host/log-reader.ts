/**
 * Reads module logs by logical offset: a range of bytes, the last lines, lines since a time, and lines as
 * they come. Survives rotation without losing, doubling or tearing a line. Reads only; memory is bounded
 * whatever the module writes.
 */
import { type FSWatcher, watch } from 'node:fs'
import type { LogLine } from '../core/log-line.ts'
import { readIndex } from './log-file.ts'
import { LineAssembler, type LineOptions } from './log-lines.ts'
import { livePath } from './log-paths.ts'
import { type LogSpan, openSpan } from './log-span.ts'

const CHUNK_BYTES = 256 * 1024
const TAIL_MAX_BYTES = 32 * 1024 * 1024
const SINCE_MAX_LINES = 50_000
const POLL_MS = 1_000
const PARTIAL_AFTER_MS = 2_000

/**
 * Bytes of [from, to), at most `maxBytes` of them from the front. What is no longer kept is left out, so the
 * result may be shorter.
 */
export function readRange(logs: string, module: string, from: number, to: number, maxBytes: number): Buffer {
  const span = openSpan(logs, module)
  try {
    const start = Math.max(from, span.start)
    return span.read(start, Math.max(0, Math.min(maxBytes, to - start)))
  } finally {
    span.close()
  }
}

export interface TailOptions extends LineOptions {
  /** Only lines that begin before this logical offset. */
  readonly before?: number
  /** Leave out an end that has no newline yet: for a reader that goes on with `followLog`. */
  readonly complete?: boolean
}

/** The last `count` lines, oldest first, from at most 32 MB. */
export function tailLines(logs: string, module: string, count: number, options: TailOptions = {}): LogLine[] {
  const span = openSpan(logs, module)
  try {
    const end = Math.min(options.before ?? span.end, span.end)
    const from = startOfLast(span, end, count)
    const lines = linesBetween(
      span,
      from,
      end,
      new LineAssembler(logs, module, options),
      options.complete !== true,
    )
    return lines.slice(-count || lines.length)
  } finally {
    span.close()
  }
}

export interface SinceOptions extends LineOptions {
  /** The newest that many; 50,000 by default. */
  readonly limit?: number
}

/** Lines from `sinceMs` on, oldest first. Lines of unknown time are left out. */
export function linesSince(
  logs: string,
  module: string,
  sinceMs: number,
  options: SinceOptions = {},
): LogLine[] {
  const limit = options.limit ?? SINCE_MAX_LINES
  const span = openSpan(logs, module)
  try {
    const assembler = new LineAssembler(logs, module, options)
    let kept: LogLine[] = []
    forEachLine(span, firstSince(logs, module, span, sinceMs), span.end, assembler, true, lines => {
      kept.push(...lines.filter(line => line.timeMs !== null && line.timeMs >= sinceMs))
      if (kept.length > 2 * limit) kept = kept.slice(-limit)
    })
    return kept.slice(-limit)
  } finally {
    span.close()
  }
}

/** Logical offset before which all is older: by the index, or by what the archives' last change tells. */
function firstSince(logs: string, module: string, span: LogSpan, sinceMs: number): number {
  const known = readIndex(logs, module).findLast(entry => entry.timeMs < sinceMs)
  const older = span.archives.findLast(archive => archive.timeMs < sinceMs)
  return Math.max(span.start, known?.offset ?? 0, older?.end ?? 0)
}

/**
 * Gives lines as they come, from `fromLogical` on, each once and in order, a batch at a time. A line is given
 * when its newline is there, or after 2 s without it (then `continued`). close() ends it.
 */
export function followLog(
  logs: string,
  module: string,
  fromLogical: number,
  onLines: (lines: LogLine[]) => void,
  options: LineOptions = {},
): { close(): void } {
  const follower = new Follower(logs, module, fromLogical, onLines, options)
  return { close: () => follower.close() }
}

class Follower {
  readonly #logs: string
  readonly #module: string
  readonly #onLines: (lines: LogLine[]) => void
  readonly #assembler: LineAssembler
  #next: number
  /** End of the log when its last line had no newline yet, and since when. */
  #partial: { readonly end: number; readonly sinceMs: number } | null = null
  #watcher: FSWatcher | null = null
  #soon: NodeJS.Immediate | null = null
  #closed = false
  readonly #poll: NodeJS.Timeout

  constructor(
    logs: string,
    module: string,
    from: number,
    onLines: (lines: LogLine[]) => void,
    options: LineOptions,
  ) {
    this.#logs = logs
    this.#module = module
    this.#next = from
    this.#onLines = onLines
    this.#assembler = new LineAssembler(logs, module, options)
    this.#poll = setInterval(() => this.#wake(), POLL_MS)
    this.#wake()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    if (this.#soon) clearImmediate(this.#soon)
    this.#watcher?.close()
    this.#watcher = null
  }

  #wake(): void {
    if (this.#soon !== null || this.#closed) return
    this.#soon = setImmediate(() => {
      this.#soon = null
      this.#watch()
      // One chunk a turn: a flood must not keep the loop from everything else.
      if (this.#readOn()) this.#wake()
    })
  }

  /** inotify follows the file, not its name: after a rotation the new file is watched. */
  #watch(): void {
    if (this.#watcher) return
    try {
      const watcher = watch(livePath(this.#logs, this.#module), kind => {
        if (kind === 'rename') this.#unwatch(watcher)
        this.#wake()
      })
      watcher.on('error', () => this.#unwatch(watcher))
      this.#watcher = watcher
    } catch {
      // Not there yet, or out of watches: the poll sees it.
    }
  }

  #unwatch(watcher: FSWatcher): void {
    watcher.close()
    if (this.#watcher === watcher) this.#watcher = null
  }

  /** True when there is more to read at once. */
  #readOn(): boolean {
    let span: LogSpan
    try {
      span = openSpan(this.#logs, this.#module)
    } catch {
      return false
    }
    try {
      // Somebody emptied it.
      if (this.#next > span.end) this.#next = span.seam
      if (this.#next < span.seam && this.#next < span.start) this.#next = span.start
      const bytes = span.read(this.#next, CHUNK_BYTES)
      if (bytes.length === 0) return this.#skipGap(span)
      const lines = this.#assembler.assemble(bytes, this.#next, this.#isStale(bytes, span.end))
      if (lines.length === 0) return false
      this.#give(lines)
      return !this.#closed && this.#next < span.end && bytes.length === CHUNK_BYTES
    } finally {
      span.close()
    }
  }

  #give(lines: LogLine[]): void {
    this.#next = lines.at(-1)!.end
    this.#assembler.refresh()
    this.#onLines(lines)
  }

  /** What is next was dropped or is no longer kept: go on behind it. */
  #skipGap(span: LogSpan): boolean {
    const after = span.after(this.#next)
    if (after === this.#next) return false
    this.#next = after
    return true
  }

  #isStale(bytes: Buffer, end: number): boolean {
    const now = performance.now()
    if (bytes.includes(10)) {
      this.#partial = null
      return false
    }
    if (this.#partial?.end !== end) this.#partial = { end, sinceMs: now }
    return now - this.#partial.sinceMs >= PARTIAL_AFTER_MS
  }
}

/** Where the last `count` lines before `end` begin. */
function startOfLast(span: LogSpan, end: number, count: number): number {
  const least = Math.max(span.start, end - TAIL_MAX_BYTES)
  let newlines = 0
  for (let to = end; to > least; ) {
    const from = Math.max(least, to - CHUNK_BYTES)
    const bytes = span.read(from, to - from)
    for (let at = bytes.length - 1; at >= 0; at--) {
      if (bytes[at] !== 10 || from + at === end - 1) continue
      if (++newlines === count) return from + at + 1
    }
    to = from
  }
  return least
}

function linesBetween(
  span: LogSpan,
  from: number,
  to: number,
  assembler: LineAssembler,
  flush: boolean,
): LogLine[] {
  const all: LogLine[] = []
  forEachLine(span, from, to, assembler, flush, lines => all.push(...lines))
  return all
}

function forEachLine(
  span: LogSpan,
  from: number,
  to: number,
  assembler: LineAssembler,
  flush: boolean,
  take: (lines: LogLine[]) => void,
): void {
  for (let at = from; at < to; ) {
    const bytes = span.read(at, Math.min(CHUNK_BYTES, to - at))
    if (bytes.length === 0) {
      // Dropped or no longer kept: on with what is.
      const after = span.after(at)
      if (after === at) return
      at = after
      continue
    }
    const lines = assembler.assemble(bytes, at, flush && at + bytes.length >= to)
    const end = lines.at(-1)?.end
    if (end === undefined) return
    take(lines)
    at = end
  }
}
