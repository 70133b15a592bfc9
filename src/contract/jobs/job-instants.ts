/**
 * The next instants of a job, as people and programs read them (`mark job next`). Strictly after the
 * given time, in order, none twice. Stops with an error rather than loop if one were not later than the one
 * before it.
 */
import type { Planned, TimeZone } from '../../core/cron-instants.ts'
import { type Clockwork, type JobSpec, nextInstant } from '../../core/schedule.ts'
import { formatUtc } from '../../core/time.ts'
import { formatLocal } from '../../core/wall-time.ts'
import { clockworkOf } from './clockwork.ts'

export interface JobInstant {
  /** RFC 3339 in UTC. */
  readonly at: string
  /** RFC 3339 with the offset of the job's zone. */
  readonly local: string
  /** What a clock change has to do with it, and why `when:` skips it; null: nothing to say. */
  readonly note: string | null
}

/** What `when:` has against an instant (Unix milliseconds), in the job's zone. */
export type Closed = (zone: TimeZone, ms: number) => string | null

export function nextInstants(
  job: JobSpec,
  afterMs: number,
  count: number,
  closed: Closed = never,
): JobInstant[] {
  const clockwork = clockworkOf(job)
  return instantsAfter(job, clockwork, afterMs, count).map(planned => shown(planned, clockwork, closed))
}

const HOUR_MS = 3_600_000
/** How far back to look for the last run before a change: an hourly job first, a monthly one last. */
const LOOK_BACK_MS = [2, 26, 8 * 24, 32 * 24].map(hours => hours * HOUR_MS)
const CHANGES = 2
const YEARS_AHEAD_MS = 5 * 366 * 24 * HOUR_MS

/** For each of the next two clock changes: the last run before it, those around it, the first after it. */
export function instantsAroundChanges(
  job: JobSpec,
  afterMs: number,
  count: number,
  closed: Closed = never,
): JobInstant[] {
  const clockwork = clockworkOf(job)
  const found = new Map<number, Planned>()
  for (const { atMs, byMs } of changesAfter(clockwork, afterMs)) {
    for (const planned of aroundChange(job, clockwork, atMs, byMs, count)) found.set(planned.atMs, planned)
  }
  const instants = [...found.values()].sort((a, b) => a.atMs - b.atMs)
  return instants.map(planned => shown(planned, clockwork, closed))
}

function aroundChange(job: JobSpec, clockwork: Clockwork, atMs: number, byMs: number, count: number) {
  const begins = atMs - byMs
  const ends = atMs + byMs
  for (const back of LOOK_BACK_MS) {
    let last: Planned | null = null
    let next = nextInstant(job, clockwork, begins - back)
    for (; next !== null && next.atMs < begins; next = nextInstant(job, clockwork, next.atMs)) last = next
    if (last === null) continue
    const within = instantsAfter(job, clockwork, last.atMs, count - 1)
    const beyond = within.findIndex(planned => planned.atMs >= ends)
    return [last, ...(beyond < 0 ? within : within.slice(0, beyond + 1))]
  }
  return instantsAfter(job, clockwork, begins, 1)
}

function changesAfter({ zone }: Clockwork, afterMs: number): { atMs: number; byMs: number }[] {
  const changes: { atMs: number; byMs: number }[] = []
  let here = zone.stretchAt(afterMs)
  while (changes.length < CHANGES && here.untilMs < afterMs + YEARS_AHEAD_MS) {
    const next = zone.stretchAt(here.untilMs)
    const byMs = Math.abs(next.offsetMs - here.offsetMs)
    if (byMs > 0) changes.push({ atMs: here.untilMs, byMs })
    here = next
  }
  return changes
}

function instantsAfter(job: JobSpec, clockwork: Clockwork, afterMs: number, count: number): Planned[] {
  const list: Planned[] = []
  let fromMs = afterMs
  while (list.length < count) {
    const next = nextInstant(job, clockwork, fromMs)
    if (next === null) break
    if (next.atMs <= fromMs) throw new Error(`the schedule of ${job.name} does not advance`)
    list.push(next)
    fromMs = next.atMs
  }
  return list
}

function shown({ atMs, note }: Planned, { zone }: Clockwork, closed: Closed): JobInstant {
  const local = formatLocal(atMs, zone.stretchAt(atMs).offsetMs)
  const why = closed(zone, atMs)
  const notes = [note, why && `skipped: ${why}`].filter(text => text !== null)
  return { at: formatUtc(atMs), local, note: notes.join('; ') || null }
}

function never(): null {
  return null
}
