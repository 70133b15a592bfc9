/**
 * GET /modules/{m}/logs: the newest lines that fit, going back through the log in pieces, with a bound on how
 * far one request looks. The cursor leads on to older lines. GET /runs/{id}/log: the newest of one run.
 */
import type { LogRecord, RunSpan } from '../../contract/api.ts'
import { LOG_LEVELS, type LogLevel, type LogLine } from '../../core/log-line.ts'
import { formatUtc } from '../../core/time.ts'
import type { LogApi } from './deps.ts'
import { usage } from './problem.ts'

export interface LogQuery {
  readonly module: string
  readonly count: number
  readonly sinceMs: number | null
  /** This level and above. */
  readonly level: LogLevel | null
  readonly matches: ((lines: readonly string[]) => boolean[]) | null
  readonly before: number | null
}

const PIECE = 1000
const PIECES_MAX = 20

/** Oldest first. `before`: where to go on with older lines; null: there are none, or they are too old. */
export function findLines(logs: LogApi, query: LogQuery): { lines: LogRecord[]; before: number | null } {
  const plain = query.level === null && query.matches === null
  const piece = plain && query.sinceMs === null ? Math.min(query.count, PIECE) : PIECE
  let found: LogLine[] = []
  let before = query.before
  let ended = false
  for (let round = 0; round < PIECES_MAX && found.length < query.count && !ended; round++) {
    const lines = logs.tail(query.module, piece, before)
    if (lines.length === 0) return { lines: found.map(asRecord), before: null }
    before = lines[0]?.offset ?? 0
    ended = before === 0
    const young = query.sinceMs === null ? lines : since(lines, query.sinceMs)
    ended ||= young.length < lines.length
    found = [...fitting(young, query), ...found]
  }
  if (found.length <= query.count) return { lines: found.map(asRecord), before: ended ? null : before }
  const newest = found.slice(-query.count)
  return { lines: newest.map(asRecord), before: newest[0]?.offset ?? null }
}

/** The last `count` lines within these parts of a log, oldest first. Parts that overlap share lines. */
export function linesOfSpans(
  logs: LogApi,
  module: string,
  spans: readonly RunSpan[],
  count: number,
): LogRecord[] {
  const found = new Map<number, LogLine>()
  for (const { from, to } of spans.toReversed()) {
    if (found.size >= count) break
    for (const line of logs.tail(module, count, to)) if (line.offset >= from) found.set(line.offset, line)
  }
  return [...found.values()]
    .sort((a, b) => a.offset - b.offset)
    .slice(-count)
    .map(asRecord)
}

export function levelParameter(text: string | undefined): LogLevel | null {
  if (text === undefined) return null
  const level = LOG_LEVELS.find(known => known === text.toLowerCase())
  if (!level) throw usage(`level is one of ${LOG_LEVELS.join(', ')}.`)
  return level
}

/** Lines behind the last one that is older. A line of unknown time belongs to what stands before it. */
function since(lines: readonly LogLine[], sinceMs: number): readonly LogLine[] {
  const old = lines.findLastIndex(line => line.timeMs !== null && line.timeMs < sinceMs)
  return lines.slice(old + 1)
}

function fitting(lines: readonly LogLine[], query: LogQuery): LogLine[] {
  const least = query.level === null ? 0 : LOG_LEVELS.indexOf(query.level)
  const leveled =
    least === 0 ? lines : lines.filter(line => line.level !== null && LOG_LEVELS.indexOf(line.level) >= least)
  if (!query.matches) return [...leveled]
  const fits = query.matches(leveled.map(line => line.text))
  return leveled.filter((_, index) => fits[index])
}

function asRecord(line: LogLine): LogRecord {
  const { module, offset, exact, level, text, runId } = line
  return {
    module,
    offset,
    at: line.timeMs === null ? null : formatUtc(line.timeMs),
    exact,
    level,
    text,
    run_id: runId,
  }
}
