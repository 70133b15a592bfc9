/**
 * What a line of a module's output says about itself: its time and its level, as Python logging, loguru, pino
 * and most others write them. Pure parsing of text already decoded; a line it does not understand has
 * neither.
 */
export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'critical'

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warning', 'error', 'critical']

export interface LineFacts {
  /** Unix milliseconds from the line itself; null when it shows none. */
  readonly timeMs: number | null
  readonly level: LogLevel | null
}

/** One line of a module's output as readers get it. */
export interface LogLine {
  readonly module: string
  /** Logical offset of its first byte. */
  readonly offset: number
  /** Logical offset after its newline: where to read on. */
  readonly end: number
  readonly timeMs: number | null
  /** The line told its time itself. */
  readonly exact: boolean
  readonly level: LogLevel | null
  /** Without its newline; bytes that are not UTF-8 are replaced. */
  readonly text: string
  readonly runId: string | null
  /** It goes on in the next LogLine: too long, or its end was not written for 2 s. */
  readonly continued: boolean
}

/** A time and a level stand near the beginning; the rest of a long line is not looked at. */
const HEAD_CHARACTERS = 512
const EARLIEST_MS = Date.UTC(2000, 0, 1)
const LATEST_MS = Date.UTC(2100, 0, 1)

const WORDS: Readonly<Record<string, LogLevel>> = {
  TRACE: 'debug',
  DEBUG: 'debug',
  DBG: 'debug',
  VERBOSE: 'debug',
  INFO: 'info',
  INF: 'info',
  NOTICE: 'info',
  SUCCESS: 'info',
  WARN: 'warning',
  WRN: 'warning',
  WARNING: 'warning',
  ERR: 'error',
  ERROR: 'error',
  FATAL: 'critical',
  CRIT: 'critical',
  CRITICAL: 'critical',
  ALERT: 'critical',
  EMERG: 'critical',
  PANIC: 'critical',
}

/**
 * `levelPattern`: log.level_pattern of the module, its first group (or the whole match) is the level's word.
 * It wins over everything else. `zoneOffsetMs`: what to subtract from a time that names no zone, 0 for UTC.
 */
export function parseLine(text: string, levelPattern: RegExp | null, zoneOffsetMs = 0): LineFacts {
  const head = stripColour(text.slice(0, HEAD_CHARACTERS))
  const own = levelPattern ? levelByPattern(head, levelPattern) : null
  const json = head.startsWith('{') ? jsonFacts(head) : null
  return {
    timeMs: json?.timeMs ?? parseTime(head, zoneOffsetMs),
    level: own ?? json?.level ?? parseLevel(head),
  }
}

/** The level that a word or a pino number stands for; null for anything else. */
export function levelOf(word: string): LogLevel | null {
  const number = Number(word)
  if (/^\d{1,2}$/.test(word) && number >= 10) {
    return LOG_LEVELS[Math.min(Math.floor(number / 10), 6) - 2] ?? 'debug'
  }
  return WORDS[word.toUpperCase()] ?? null
}

/** Is `level` at least as grave as `least`? A line without a level is taken for `info`. */
export function atLeast(level: LogLevel | null, least: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level ?? 'info') >= LOG_LEVELS.indexOf(least)
}

/** RFC 3339 or `YYYY-MM-DD HH:MM:SS[.,]mmm`, in brackets or not; or seconds or milliseconds since 1970. */
const DATE = /^[[(]?(\d{4})[-/](\d\d)[-/](\d\d)[T _]/.source
const CLOCK = /(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?/.source
const ZONE = /\s?(Z|UTC|[+-]\d\d:?\d\d)?(?![\d:])/.source
const DATE_TIME = new RegExp(DATE + CLOCK + ZONE)
const EPOCH = /^[[(]?(\d{10}(?:\.\d{1,9})?|\d{13})(?=[\s\]):,|]|$)/

function parseTime(head: string, zoneOffsetMs: number): number | null {
  const date = DATE_TIME.exec(head)
  if (date) return fromParts(date, zoneOffsetMs)
  const epoch = EPOCH.exec(head)
  return epoch ? fromEpoch(Number(epoch[1])) : null
}

function fromParts(match: RegExpExecArray, zoneOffsetMs: number): number | null {
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as number[]
  if (month! < 1 || month! > 12 || day! < 1 || day! > 31 || hour! > 23 || minute! > 59 || second! > 60)
    return null
  const ms = Math.floor(Number(`0.${match[7] ?? '0'}`) * 1000)
  const utc = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!, ms)
  return plausible(utc - zoneMs(match[8], zoneOffsetMs))
}

function zoneMs(zone: string | undefined, zoneOffsetMs: number): number {
  if (zone === undefined) return zoneOffsetMs
  if (zone === 'Z' || zone === 'UTC') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2))
  return (zone[0] === '-' ? -minutes : minutes) * 60_000
}

function fromEpoch(value: number): number | null {
  return plausible(Math.floor(value > 1e11 ? value : value * 1000))
}

function plausible(ms: number): number | null {
  return ms >= EARLIEST_MS && ms <= LATEST_MS ? ms : null
}

/**
 * Fields are searched, not parsed: a long line was cut. Only where a top-level key of a logger can stand, so
 * a quoted text with the same words inside (its quotes escaped) does not count.
 */
function jsonFacts(head: string): LineFacts {
  const level = /"(?:level|levelname|severity|lvl)"\s*:\s*(?:"([A-Za-z]+)"|(\d{1,2})\b)/.exec(head)
  const time =
    /"(?:time|ts|timestamp|@timestamp)"\s*:\s*(?:"([^"]{1,40})"|(\d{10,13}(?:\.\d+)?)(?![\d.]))/.exec(head)
  let timeMs: number | null = null
  if (time?.[1] !== undefined) timeMs = parseTime(time[1], 0)
  if (time?.[2] !== undefined) timeMs = fromEpoch(Number(time[2]))
  return { timeMs, level: level ? levelOf(level[1] ?? level[2] ?? '') : null }
}

/**
 * What separates a level's word from its line: loguru's bars, brackets, dashes, colons, or a time before it.
 */
const SEPARATED = /(?:^|[\s[(|:<-])([A-Z]{3,8}|[a-z]{3,8})(?=[\s\])|:>-]|$)/g
const MARKED = /(?:\[\s*([A-Za-z]{3,8})\s*\]|\|\s*([A-Za-z]{3,8})\s*\||\blevel=["']?([A-Za-z]{3,8}))/g

function parseLevel(head: string): LogLevel | null {
  for (const match of head.matchAll(MARKED)) {
    const level = WORDS[(match[1] ?? match[2] ?? match[3] ?? '').toUpperCase()]
    if (level) return level
  }
  // Without marks a level is one of the first words, in capitals or followed by a colon: prose says "error"
  // too.
  for (const match of head.slice(0, 120).matchAll(SEPARATED)) {
    const word = match[1] as string
    const after = head[match.index + match[0].length]
    const level = word === word.toUpperCase() || after === ':' ? WORDS[word.toUpperCase()] : undefined
    if (level) return level
  }
  return null
}

function levelByPattern(head: string, pattern: RegExp): LogLevel | null {
  // A pattern with the flag g would remember where it stopped.
  pattern.lastIndex = 0
  const match = pattern.exec(head)
  return match ? levelOf(match[1] ?? match[0]) : null
}

function stripColour(text: string): string {
  return text.includes('\x1b') ? text.replace(/\x1b\[[0-9;]*m/g, '') : text
}
