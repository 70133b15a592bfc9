/**
 * Log lines of several modules on one screen: coloured, padded names, levels by colour and as written,
 * control bytes made visible. Follows files, so it shows what modules write whether or not MARK is alive.
 */
import { LOG_LEVELS, type LogLevel, type LogLine } from '../core/log-line.ts'
import { formatUtc } from '../core/time.ts'
import { followLog } from '../host/log-reader.ts'
import type { CliContext } from './context.ts'
import { nameStyle, type Style } from './paint.ts'
import { clockTime, pad } from './table.ts'
import { visible } from './visible.ts'

export interface LogFilter {
  readonly level: LogLevel | null
  readonly grep: RegExp | null
  readonly sinceMs: number | null
}

export const NO_FILTER: LogFilter = { level: null, grep: null, sinceMs: null }

/**
 * Does a line pass? Lines without a level or time of their own go with the line above them (a traceback
 * belongs to its error), so a filter keeps that line's answer per module.
 */
export class LineFilter {
  readonly #filter: LogFilter
  readonly #above = new Map<string, LogLevel>()

  constructor(filter: LogFilter) {
    this.#filter = filter
  }

  passes(line: LogLine): boolean {
    const { level, grep, sinceMs } = this.#filter
    if (line.level !== null) this.#above.set(line.module, line.level)
    if (level !== null && !reaches(line.level ?? this.#above.get(line.module) ?? null, level)) return false
    if (sinceMs !== null && line.timeMs !== null && line.timeMs < sinceMs) return false
    return grep === null || grep.test(line.text)
  }
}

function reaches(level: LogLevel | null, wanted: LogLevel): boolean {
  return level !== null && LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted)
}

const LEVEL_STYLES: Readonly<Partial<Record<LogLevel, Style>>> = {
  debug: 'dim',
  warning: 'yellow',
  error: 'red',
  critical: ['red', 'bold'],
}

export interface LogLook {
  readonly raw?: boolean
  readonly times?: boolean
}

export class LogStream {
  readonly #context: CliContext
  readonly #logs: string
  readonly #names: readonly string[]
  readonly #filter: LineFilter
  readonly #look: LogLook
  readonly #width: number
  readonly #followers: { close(): void }[] = []

  constructor(
    context: CliContext,
    logs: string,
    names: readonly string[],
    filter: LogFilter = NO_FILTER,
    look: LogLook = {},
  ) {
    this.#context = context
    this.#logs = logs
    this.#names = names
    this.#filter = new LineFilter(filter)
    this.#look = look
    this.#width = Math.max(...names.map(name => name.length), 0)
  }

  /** Prints lines as they come, from each module's logical offset on. */
  follow(from: ReadonlyMap<string, number>): void {
    for (const name of this.#names) {
      this.#followers.push(followLog(this.#logs, name, from.get(name) ?? 0, lines => this.print(lines)))
    }
  }

  print(lines: readonly LogLine[]): void {
    for (const line of lines) if (this.#filter.passes(line)) this.#write(line)
  }

  close(): void {
    for (const follower of this.#followers.splice(0)) follower.close()
  }

  #write(line: LogLine): void {
    const context = this.#context
    if (context.options.json) context.out(JSON.stringify(jsonLine(line)))
    else if (this.#look.raw) context.out(line.text)
    else context.out(this.#format(line))
  }

  #format(line: LogLine): string {
    const { paint } = this.#context
    const name = pad(line.module, this.#width)
    const style = line.level === null ? undefined : LEVEL_STYLES[line.level]
    const text = visible(line.text)
    const time = this.#look.times ? `${timeColumn(line)} ` : ''
    const head = paint(nameStyle(this.#names.indexOf(line.module)), `${name} |`)
    return `${head} ${paint('dim', time)}${style ? paint(style, text) : text}`
  }
}

/** Local time with milliseconds; `~` before a time that is MARK's index, not the line's own. */
function timeColumn(line: LogLine): string {
  if (line.timeMs === null) return ' '.repeat(13)
  const thousandths = String(new Date(line.timeMs).getMilliseconds()).padStart(3, '0')
  return `${line.exact ? ' ' : '~'}${clockTime(line.timeMs)}.${thousandths}`
}

function jsonLine(line: LogLine) {
  return {
    module: line.module,
    time: line.timeMs === null ? null : formatUtc(line.timeMs),
    exact: line.exact,
    level: line.level,
    text: line.text,
    offset: line.offset,
    run_id: line.runId,
  }
}
