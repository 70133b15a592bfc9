/**
 * `finish_by:` of a job: what is to be said when its time of day comes near or passes, and by when it and
 * what it waits for must begin. Promises: each sentence belongs to one moment, so that who looks at every
 * span of time once says nothing twice. A day on which its schedule or calendar asks for no run has no
 * deadline. Knows no clock and remembers nothing.
 */
import type { TimeZone } from '../cron-instants.ts'
import { nextInstant } from '../schedule.ts'
import { formatDuration } from '../time.ts'
import { formatLocal } from '../wall-time.ts'
import type { FinishBy, JobPlan } from './job-plan.ts'
import { addDays, dayAt, instantOf, minuteAt, minuteText } from './local-day.ts'
import type { Scheduling } from './scheduling.ts'

export interface FinishGiven extends Pick<Scheduling, 'jobs' | 'book' | 'clockworkOf' | 'closed'> {
  zoneOf(name: string): TimeZone
}

interface Deadline {
  readonly atMs: number
  /** The deadline before: a success since then counts. */
  readonly sinceMs: number
  /** A success later than now is one of a clock that was ahead. */
  readonly nowMs: number
}

/** With fewer runs nobody can say how long it takes. */
const RUNS_MIN = 3
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** A clock that is set right by less is nothing to speak of. */
const AHEAD_MS = 10 * MINUTE_MS
/** A chain that takes longer is not looked ahead at. */
const AHEAD_MAX_MS = 7 * DAY_MS
/** Of a job with more in a day, those behind are taken to be closed, too. */
const INSTANTS_MAX = 10_000

/** What is to be said for the moments in (fromMs, toMs], by what is known at `toMs`. */
export function finishAlerts(job: JobPlan, given: FinishGiven, fromMs: number, toMs: number): string[] {
  const { finishBy } = job
  if (finishBy === null || toMs <= fromMs) return []
  const leads = leadsOf(job, given)
  const untilMs = toMs + Math.min(AHEAD_MAX_MS, Math.max(0, ...leads.values()))
  const isNow = (ms: number): boolean => fromMs < ms && ms <= toMs
  const times = deadlines(finishBy, given, { afterMs: Math.max(fromMs, toMs - DAY_MS), untilMs, nowMs: toMs })
  return times.flatMap(deadline => {
    if (![0, ...leads.values()].some(lead => isNow(deadline.atMs - lead))) return []
    if (isDone(job.name, deadline, given) || !isWanted(job, deadline, leads, given)) return []
    if (deadline.atMs <= toMs) return [`is not done by ${timeText(finishBy)}${whyNot(job, deadline, given)}`]
    // What a pause does to a deadline, its author knows.
    if (given.book.memory(job.name).paused) return []
    const beginMs = deadline.atMs - (leads.get(job.name) ?? 0)
    if (isNow(beginMs)) return leads.has(job.name) ? cannot(job, finishBy, deadline, given) : []
    if (beginMs <= fromMs) return []
    return [...leads].flatMap(([name, lead]) => {
      const due = isNow(deadline.atMs - lead) && isHeldByNobody(name, deadline, given)
      if (!due || isUnderWay(name, given)) return []
      const by = clockText(deadline.atMs - lead, finishBy, given)
      const last = lastText(name, deadline, given)
      const its = last === null ? '' : `: ${last}`
      return [`${name} should have begun by ${by} for ${job.name} to be done by ${timeText(finishBy)}${its}`]
    })
  })
}

/** When it must begin to be done in time, with the offset of its zone; null: nothing is to be begun. */
export function beginBy(job: JobPlan, given: FinishGiven, nowMs: number): string | null {
  const { finishBy } = job
  const leads = leadsOf(job, given)
  const lead = leads.get(job.name)
  if (finishBy === null || lead === undefined || isUnderWay(job.name, given)) return null
  const span = { afterMs: nowMs, untilMs: nowMs + 2 * DAY_MS, nowMs }
  const [deadline] = deadlines(finishBy, given, span)
  if (!deadline || isDone(job.name, deadline, given) || !isWanted(job, deadline, leads, given)) return null
  const ms = Math.floor((deadline.atMs - lead) / MINUTE_MS) * MINUTE_MS
  return formatLocal(ms, given.zoneOf(finishBy.timezone).stretchAt(ms).offsetMs)
}

function cannot(job: JobPlan, finishBy: FinishBy, deadline: Deadline, given: FinishGiven): string[] {
  if (isUnderWay(job.name, given)) return []
  const takes = p95(given.book.memory(job.name).took_ms) ?? 0
  const last = lastText(job.name, deadline, given) ?? notBegun(job, given)
  return [`cannot be done by ${timeText(finishBy)}: it takes ${roundedText(takes)} (p95), and ${last}`]
}

function whyNot(job: JobPlan, deadline: Deadline, given: FinishGiven): string {
  const { name } = job
  const { paused } = given.book.memory(name)
  if (isUnderWay(name, given)) return ': it goes on'
  if (given.book.rowsOf(name).length > 0) return ': it waits'
  if (paused) return `: paused by ${paused.by}`
  const last = lastText(name, deadline, given)
  return `: ${last ?? notBegun(job, given)}`
}

function notBegun({ after }: JobPlan, given: FinishGiven): string {
  const before = (after?.upstream ?? []).map(({ job }) => job).filter(name => isUnderWay(name, given))
  return before.length === 0 ? 'it has not begun' : `it has not begun: ${before.join(', ')} before it goes on`
}

/** Its run since the deadline before, that did not succeed; null: there was none. */
function lastText(name: string, { sinceMs }: Deadline, { book }: FinishGiven): string | null {
  const { last } = book.memory(name)
  return last === null || last.at_ms <= sinceMs ? null : `its last run ended as ${last.outcome}`
}

/** By job, itself and what it waits for: how long before the deadline it must begin, as far as is known. */
function leadsOf(job: JobPlan, { jobs, book }: FinishGiven): Map<string, number> {
  const leads = new Map<string, number>()
  const own = p95(book.memory(job.name).took_ms)
  if (own === null) return leads
  leads.set(job.name, own)
  // In the plan, upstream comes first.
  for (const { name, after } of [...jobs.values()].reverse()) {
    const lead = leads.get(name)
    if (lead === undefined) continue
    for (const edge of after?.upstream ?? []) {
      const takes = edge.on === 'failure' ? null : p95(book.memory(edge.job).took_ms)
      if (takes === null) continue
      leads.set(edge.job, Math.max(leads.get(edge.job) ?? 0, lead + edge.delayMs + takes))
    }
  }
  return leads
}

function p95(tookMs: readonly number[]): number | null {
  // Over a boot the monotonic clock begins anew.
  const known = tookMs.filter(ms => ms >= 0).sort((a, b) => a - b)
  return known.length < RUNS_MIN ? null : (known[Math.ceil(known.length * 0.95) - 1] ?? null)
}

/** Those in (afterMs, untilMs]. */
function deadlines(
  finishBy: FinishBy,
  given: FinishGiven,
  { afterMs, untilMs, nowMs }: { afterMs: number; untilMs: number; nowMs: number },
): Deadline[] {
  const zone = given.zoneOf(finishBy.timezone)
  const found: Deadline[] = []
  let day = addDays(dayAt(zone, afterMs), -1)
  let sinceMs = instantOf(zone, day, finishBy.minute)
  for (;;) {
    day = addDays(day, 1)
    const atMs = instantOf(zone, day, finishBy.minute)
    if (atMs > untilMs) return found
    // A day that its country left out has no deadline of its own.
    if (atMs > afterMs && atMs > sinceMs) found.push({ atMs, sinceMs, nowMs })
    sinceMs = atMs
  }
}

/** Its runs, or what they come after, are asked for before this deadline, or one is there. */
function isWanted(
  job: JobPlan,
  deadline: Deadline,
  leads: ReadonlyMap<string, number>,
  given: FinishGiven,
  /** Of those that were asked for already: ways may meet again and again. */
  known = new Map<string, boolean>(),
): boolean {
  if (given.book.rowsOf(job.name).length > 0) return true
  const beginMs = deadline.atMs - (leads.get(job.name) ?? 0)
  if (job.schedule.kind === 'none') return given.closed(job, beginMs) === null
  if (job.after === null) return hasInstant(job, deadline, given)
  const comes = job.after.upstream.map(({ job: name, on }) => {
    const upstream = given.jobs.get(name)
    if (upstream === undefined || on === 'failure') return false
    const isComing = known.get(name) ?? isWanted(upstream, deadline, leads, given, known)
    known.set(name, isComing)
    return isComing
  })
  const isAsked = job.after.join === 'all' ? comes.every(Boolean) : comes.some(Boolean)
  return isAsked && given.closed(job, beginMs) === null
}

function hasInstant(job: JobPlan, { sinceMs, atMs }: Deadline, given: FinishGiven): boolean {
  const clockwork = given.clockworkOf(job)
  let next = nextInstant(job, clockwork, sinceMs)
  for (let count = 0; next !== null && next.atMs <= atMs && count < INSTANTS_MAX; count++) {
    if (given.closed(job, next.atMs) === null) return true
    next = nextInstant(job, clockwork, next.atMs)
  }
  return false
}

function isDone(name: string, { sinceMs, nowMs }: Deadline, { book }: FinishGiven): boolean {
  const { succeeded_ms, last } = book.memory(name)
  const lastMs = last?.outcome === 'succeeded' ? last.at_ms : Number.NEGATIVE_INFINITY
  const doneMs = succeeded_ms ?? lastMs
  return doneMs > sinceMs && doneMs <= nowMs + AHEAD_MS
}

function isUnderWay(name: string, { book }: FinishGiven): boolean {
  return book.rowsOf(name).some(row => row.attempts.length > 0)
}

/** It is to be begun, and not for want of one that comes before it: of that one it is said. */
function isHeldByNobody(name: string, deadline: Deadline, given: FinishGiven): boolean {
  if (isDone(name, deadline, given)) return false
  const { after } = given.jobs.get(name) ?? { after: null }
  if (after === null) return true
  const done = after.upstream.map(({ job }) => isDone(job, deadline, given))
  return after.join === 'any' ? done.some(Boolean) : done.every(Boolean)
}

function timeText({ minute, timezone }: FinishBy): string {
  return `${minuteText(minute)} ${timezone}`
}

function clockText(ms: number, { timezone }: FinishBy, given: FinishGiven): string {
  return minuteText(minuteAt(given.zoneOf(timezone), ms))
}

/** To the minute where there are several. */
function roundedText(ms: number): string {
  const unit = ms > 2 * MINUTE_MS ? MINUTE_MS : 1000
  return formatDuration(Math.ceil(ms / unit) * unit)
}
