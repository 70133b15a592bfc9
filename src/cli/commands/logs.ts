/**
 * `mark logs`: what modules wrote, merged by time, from the files alone: no MARK process need be alive.
 */
import { readdirSync } from 'node:fs'
import { MarkError } from '../../core/errors.ts'
import type { LogLevel, LogLine } from '../../core/log-line.ts'
import { mergeByTime } from '../../core/merge-lines.ts'
import type { Plan } from '../../core/plan.ts'
import { knownIn, resolveTargets } from '../../core/targets.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { baseOf, logicalSize } from '../../host/log-file.ts'
import { linesSince, readRange, tailLines } from '../../host/log-reader.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { CliContext } from '../context.ts'
import { LineFilter, type LogFilter, LogStream } from '../log-stream.ts'
import { parseSince } from '../since.ts'

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
/** A filtered tail looks through this many lines. */
const SEARCH_LINES = 200_000
const RAW_CHUNK_BYTES = 1 << 20

export async function logs(context: CliContext, options: LogsOptions): Promise<number> {
  const state = context.stateDir()
  const names = modulesWithLogs(state, options.modules)
  const filter = filterOf(options)
  const stream = new LogStream(context, state.logs, names, filter, { raw: options.raw, times: true })
  const ends = new Map(
    names.map(name => [name, options.follow ? completeEnd(state, name) : Number.POSITIVE_INFINITY]),
  )
  const exact = options.raw && !context.options.json && isPlain(filter) && names.length === 1
  if (exact) writeExact(context, state, names[0] as string, options, ends)
  else stream.print(mergeByTime(names.map(name => past(state, name, options, filter, ends.get(name) ?? 0))))
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

/**
 * Where the last whole line ends: what comes after is left to the follower, so no line is torn or doubled.
 */
function completeEnd(state: StateDir, name: string): number {
  return tailLines(state.logs, name, 1, { complete: true })[0]?.end ?? baseOf(state.logs, name)
}

function past(
  state: StateDir,
  name: string,
  options: LogsOptions,
  filter: LogFilter,
  end: number,
): LogLine[] {
  const count = options.lines ?? (filter.sinceMs === null ? DEFAULT_LINES : Number.POSITIVE_INFINITY)
  if (count === 0) return []
  const before = Number.isFinite(end) ? { before: end } : {}
  const lines =
    filter.sinceMs !== null
      ? linesSince(state.logs, name, filter.sinceMs).filter(line => line.offset < end)
      : tailLines(state.logs, name, isPlain(filter) ? count : SEARCH_LINES, before)
  const pass = new LineFilter(filter)
  const passing = lines.filter(line => pass.passes(line))
  return Number.isFinite(count) ? passing.slice(-count) : passing
}

/** One module's last lines byte for byte, as it wrote them. */
function writeExact(
  context: CliContext,
  state: StateDir,
  name: string,
  options: LogsOptions,
  ends: ReadonlyMap<string, number>,
): void {
  const end = Math.min(ends.get(name) ?? 0, logicalSize(state.logs, name))
  const count = options.lines ?? DEFAULT_LINES
  let at = count === 0 ? end : (tailLines(state.logs, name, count, { before: end })[0]?.offset ?? end)
  while (at < end) {
    const bytes = readRange(state.logs, name, at, end, RAW_CHUNK_BYTES)
    if (bytes.length === 0) return
    context.write(bytes)
    at += bytes.length
  }
}

function isPlain(filter: LogFilter): boolean {
  return filter.level === null && filter.grep === null && filter.sinceMs === null
}

/** Modules and jobs meant, of those the plan names and those that left a log behind. */
function modulesWithLogs(state: StateDir, words: readonly string[]): string[] {
  const plan = peekChecked(state.plan).value as Plan | null
  const { modules, groups } = plan ? knownIn(plan) : { modules: [], groups: {} }
  const declared = { modules: [...modules, ...(plan?.jobs ?? []).map(job => job.name)], groups }
  const left = logNames(state).filter(name => !declared.modules.includes(name))
  const all = { modules: [...declared.modules, ...left], groups: declared.groups }
  if (words.length > 0) return resolveTargets(words, all)
  if (all.modules.length === 0)
    throw new MarkError('MARK_NOT_RUNNING', 'There are no logs here yet.', 'start the fleet with `mark up`.')
  return declared.modules.length > 0 ? [...declared.modules] : left
}

function logNames(state: StateDir): string[] {
  try {
    return readdirSync(state.logs)
      .filter(name => name.endsWith('.log'))
      .map(name => name.slice(0, -'.log'.length))
      .sort()
  } catch {
    return []
  }
}

function filterOf(options: LogsOptions): LogFilter {
  return {
    level: options.level as LogLevel | null,
    grep: options.grep === null ? null : pattern(options.grep),
    sinceMs: options.since === null ? null : parseSince(options.since, Date.now()),
  }
}

function pattern(source: string): RegExp {
  try {
    return new RegExp(source, 'u')
  } catch (error) {
    const why = error instanceof Error ? error.message : ''
    throw new MarkError(
      'MARK_USAGE',
      `--grep does not take this pattern: ${why}.`,
      'escape what is meant literally, e.g. \\[.',
    )
  }
}
