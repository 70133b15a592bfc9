/**
 * `mark logs`: what modules wrote, merged by time, from the files alone: no MARK process need be alive.
 */
import { readdirSync } from 'node:fs'
import { MarkError } from '../../core/errors.ts'
import type { LogLine } from '../../core/log-line.ts'
import { mergeByTime } from '../../core/merge-lines.ts'
import type { Plan } from '../../core/plan.ts'
import { resolveTargets } from '../../core/targets.ts'
import { parseSince } from '../../core/since.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { logicalSize } from '../../host/log-file.ts'
import { linesSince, readRange, tailLines } from '../../host/log-reader.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { CliContext } from '../context.ts'
import { type Level, type LogFilter, LogStream } from '../log-stream.ts'
import { known } from './up.ts'

export interface LogsOptions {
  readonly modules: readonly string[]
  readonly follow: boolean
  readonly lines: number | null
  readonly since: string | null
  readonly level: string | null
  readonly grep: string | null
  readonly raw: boolean
}

const DEFAULT_LINES = 100
const RAW_CHUNK_BYTES = 1 << 20

export async function logs(context: CliContext, options: LogsOptions): Promise<number> {
  const state = context.stateDir()
  const names = modulesWithLogs(state, options.modules)
  const filter = filterOf(options)
  const ends = new Map(names.map(name => [name, logicalSize(state.logs, name)]))
  const stream = new LogStream(context, state.logs, names, filter, { raw: options.raw, times: true })
  const one = names.length === 1 ? names[0] : undefined
  const plain = filter.level === null && filter.grep === null && filter.sinceMs === null
  if (options.raw && plain && one !== undefined && !context.options.json) writeExact(context, state, one, options, ends.get(one) ?? 0)
  else stream.print(mergeByTime(names.map(name => past(state, name, options, filter))))
  if (!options.follow) return 0
  stream.follow(ends)
  await interrupted(context)
  stream.close()
  return 0
}

/** Resolves at Ctrl-C. */
export function interrupted(context: CliContext): Promise<void> {
  return new Promise(resolve => {
    context.onSignal('SIGINT', resolve)
    context.onSignal('SIGTERM', resolve)
  })
}

/** More is read than shown when lines are filtered; a search looks at everything there is, up to this. */
const SEARCH_LINES = 200_000

function past(state: StateDir, name: string, options: LogsOptions, filter: LogFilter): LogLine[] {
  if (filter.sinceMs !== null) {
    const lines = linesSince(state.logs, name, filter.sinceMs)
    return options.lines === null ? lines : lines.slice(-options.lines)
  }
  const count = options.lines ?? DEFAULT_LINES
  if (count === 0) return []
  if (filter.level === null && filter.grep === null) return tailLines(state.logs, name, count)
  const pass = new LineFilterCount(filter)
  return pass.last(tailLines(state.logs, name, SEARCH_LINES), count)
}

function writeExact(context: CliContext, state: StateDir, name: string, options: LogsOptions, end: number): void {
  const first = tailLines(state.logs, name, Math.max(options.lines ?? DEFAULT_LINES, 1))[0]
  let at = options.lines === 0 ? end : (first?.offset ?? end)
  while (at < end) {
    const bytes = readRange(state.logs, name, at, end, RAW_CHUNK_BYTES)
    if (bytes.length === 0) return
    context.writeBytes(bytes)
    at += bytes.length
  }
}
