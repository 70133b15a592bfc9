/**
 * `mark events`: what happened, oldest first. From the archive while the daemon answers, else from the
 * journal on disk; following reads the journal, which is there whoever is alive.
 */
import { watch } from 'node:fs'
import { dirname } from 'node:path'
import { describeEvent } from '../../core/event-line.ts'
import type { FleetEvent } from '../../core/view.ts'
import { askDaemon } from '../../host/daemon-client.ts'
import { readJournal } from '../../host/journal-reader.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { CliContext } from '../context.ts'
import type { Style } from '../paint.ts'
import { parseSince } from '../since.ts'
import { pad } from '../table.ts'
import { visible } from '../visible.ts'
import { interrupted } from './logs.ts'

export interface EventsOptions {
  readonly follow: boolean
  readonly lines: number | null
  readonly module: string | null
  readonly since: string | null
}

const DEFAULT_LINES = 100
const DAEMON_MS = 2_000
const PAGE = 1_000
const WAKE_MS = 1_000

export async function events(context: CliContext, options: EventsOptions): Promise<number> {
  const state = context.stateDir()
  const sinceMs = options.since === null ? null : parseSince(options.since, Date.now())
  const count = options.lines ?? (sinceMs === null ? DEFAULT_LINES : Number.POSITIVE_INFINITY)
  const seen = lastSeq(state)
  const past = (await fromArchive(state, options, sinceMs, count)) ?? fromJournal(state, options, sinceMs)
  const shown = count === 0 ? [] : Number.isFinite(count) ? past.slice(-count) : past
  if (context.options.json && !options.follow) {
    context.json({ events: shown })
    return 0
  }
  const known = new Set(shown.map(event => event.seq))
  for (const event of shown) print(context, event)
  if (options.follow) await followJournal(context, state, options, seen, known)
  return 0
}

async function fromArchive(
  state: StateDir,
  options: EventsOptions,
  sinceMs: number | null,
  count: number,
): Promise<FleetEvent[] | null> {
  const found: FleetEvent[] = []
  for (let cursor: string | null = ''; cursor !== null && found.length < count; ) {
    const query = new URLSearchParams({ limit: String(Math.min(PAGE, Math.max(count, 1))) })
    if (options.module !== null) query.set('module', options.module)
    if (sinceMs !== null) query.set('since', new Date(sinceMs).toISOString())
    if (cursor !== '') query.set('cursor', cursor)
    const page = (await askDaemon(
      state.daemonSocket,
      `/api/v1/events?${query}`,
      DAEMON_MS,
    )) as EventPage | null
    if (page === null || !Array.isArray(page.events)) return null
    // Each page lies before the one asked for first.
    found.unshift(...inOrder(page.events))
    cursor = page.next_cursor ?? null
  }
  return found
}

interface EventPage {
  readonly events: FleetEvent[]
  readonly next_cursor: string | null
}

function inOrder(page: readonly FleetEvent[]): FleetEvent[] {
  return [...page].sort((a, b) =>
    a.journal_id === b.journal_id ? a.seq - b.seq : Date.parse(a.at) - Date.parse(b.at),
  )
}

function fromJournal(state: StateDir, options: EventsOptions, sinceMs: number | null): FleetEvent[] {
  return readAfter(state, 0).filter(
    event => fits(event, options) && (sinceMs === null || Date.parse(event.at) >= sinceMs),
  )
}

function readAfter(state: StateDir, seq: number): FleetEvent[] {
  const all: FleetEvent[] = []
  for (let after = seq; ; ) {
    const page = readJournal(state.journal, after, PAGE).events
    all.push(...page)
    if (page.length < PAGE) return all
    after = page.at(-1)?.seq ?? after
  }
}

function lastSeq(state: StateDir): number {
  return readAfter(state, 0).at(-1)?.seq ?? 0
}

function fits(event: FleetEvent, options: EventsOptions): boolean {
  return options.module === null || event.module === options.module
}

/** Woken by the directory's changes; a slow look each second covers file systems that do not tell. */
async function followJournal(
  context: CliContext,
  state: StateDir,
  options: EventsOptions,
  from: number,
  shown: ReadonlySet<number>,
): Promise<void> {
  let after = from
  const look = (): void => {
    for (const event of readAfter(state, after)) {
      after = event.seq
      if (fits(event, options) && !shown.has(event.seq)) print(context, event)
    }
  }
  const watcher = watch(dirname(state.journal), (_kind, name) => {
    if (name === null || name.startsWith('events.journal')) look()
  })
  watcher.on('error', () => {})
  const timer = setInterval(look, WAKE_MS)
  look()
  await interrupted(context)
  clearInterval(timer)
  watcher.close()
}

const STYLES: Readonly<Partial<Record<FleetEvent['kind'], Style>>> = {
  ready: 'green',
  completed: 'green',
  healthy: 'green',
  fresh: 'green',
  stale: 'yellow',
  paused: 'yellow',
  refused_speaker: 'yellow',
  exited: 'yellow',
  backoff: 'yellow',
  unhealthy: 'red',
  failed: 'red',
  held: 'red',
  killed: 'red',
  alert: 'red',
  degraded: 'yellow',
}

function print(context: CliContext, event: FleetEvent): void {
  if (context.options.json) {
    context.out(JSON.stringify(event))
    return
  }
  const said = visible(describeEvent(event))
  const style = STYLES[event.kind]
  const time = context.paint('dim', event.at)
  context.out(
    `${time}  ${pad(visible(event.module ?? '-'), 12)}  ${style ? context.paint(style, said) : said}`,
  )
}
