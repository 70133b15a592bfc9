/**
 * The rules of clock changes over a cron line. A line with fixed times (no `*`, no step in seconds, minutes
 * and hours) has one instant for each of its wall times; any other follows real time, so that a skipped hour
 * has none and a repeated hour has its runs twice. Promises: strictly after the given instant, monotonic in
 * it. Knows neither how cron lines are written nor where zones come from.
 */
import { formatWall } from './wall-time.ts'

/**
 * What happens to a fixed time in a skipped hour: it runs right after it, not at all, or as much later as the
 * clock was put forward. In a repeated hour it runs once, in the first pass.
 */
export type Dst = 'vixie' | 'skip' | 'shift'

/** A cron line, as wall times. */
export interface WallMatcher {
  /** No `*` and no step in seconds, minutes and hours. */
  readonly isFixed: boolean
  /** The first wall time of the line after this one, in whole seconds; null if there is none. */
  next(wallMs: number): number | null
}

/** A time of one offset: `fromMs` up to, not including, `untilMs`. Its neighbour may have the same. */
export interface Stretch {
  readonly fromMs: number
  readonly untilMs: number
  /** Wall time minus UTC. */
  readonly offsetMs: number
}

export interface TimeZone {
  /** The stretch that holds this instant. */
  stretchAt(ms: number): Stretch
}

export interface Planned {
  readonly atMs: number
  /** What a clock change has to do with it. */
  readonly note: string | null
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** No zone is further ahead of UTC than this. */
const AHEAD_MS = 15 * HOUR_MS

export function nextCron(matcher: WallMatcher, zone: TimeZone, dst: Dst, afterMs: number): Planned | null {
  return matcher.isFixed ? nextFixed(matcher, zone, dst, afterMs) : nextReal(matcher, zone, afterMs)
}

/** Follows real time, stretch by stretch. */
function nextReal(matcher: WallMatcher, zone: TimeZone, afterMs: number): Planned | null {
  let fromMs = afterMs
  let stretch = zone.stretchAt(fromMs)
  for (;;) {
    const wallMs = matcher.next(fromMs + stretch.offsetMs)
    if (wallMs === null) return null
    const atMs = wallMs - stretch.offsetMs
    if (atMs < stretch.untilMs) {
      const { kind, ms } = locate(zone, wallMs)
      if (kind !== 'repeated') return { atMs, note: null }
      return { atMs, note: `repeated hour: ${ms === atMs ? 'first' : 'second'} pass` }
    }
    fromMs = stretch.untilMs - 1
    stretch = zone.stretchAt(stretch.untilMs)
  }
}

/** One instant for each wall time of the line: the earliest of them that is later than `afterMs`. */
function nextFixed(matcher: WallMatcher, zone: TimeZone, dst: Dst, afterMs: number): Planned | null {
  let best: Planned | null = null
  let skipped: string | null = null
  let wallMs = matcher.next(afterMs + Math.min(offsetAt(zone, afterMs), offsetAt(zone, afterMs - DAY_MS)))
  for (; wallMs !== null; wallMs = matcher.next(wallMs)) {
    const spot = locate(zone, wallMs)
    if (best !== null && spot.ms >= best.atMs) return best
    const planned = plan(spot, wallMs, dst)
    if (planned === null && spot.ms > afterMs) skipped ??= `skipped hour: no run at ${formatWall(wallMs)}`
    if (planned === null || planned.atMs <= afterMs) continue
    if (dst !== 'shift') return skipped === null ? planned : { ...planned, note: skipped }
    // A shifted time may lie behind one that comes later in the line.
    if (best === null || planned.atMs < best.atMs) best = planned
  }
  return best
}

/** Where a wall time lies: `ms` is its (first) instant, or that of the clock change that skips it. */
interface Spot {
  readonly kind: 'single' | 'repeated' | 'skipped'
  readonly ms: number
  /** Of a skipped one: how far the clock was put forward, and the offset after it. */
  readonly gapMs: number
  readonly offsetMs: number
}

function plan(spot: Spot, wallMs: number, dst: Dst): Planned | null {
  if (spot.kind === 'single') return { atMs: spot.ms, note: null }
  if (spot.kind === 'repeated') return { atMs: spot.ms, note: 'repeated hour: first pass' }
  // A whole day that a country left out was nobody's day of work.
  if (dst === 'skip' || spot.gapMs >= DAY_MS) return null
  const atMs = dst === 'vixie' ? spot.ms : wallMs + spot.gapMs - spot.offsetMs
  const shown = formatWall(atMs + spot.offsetMs).slice(11)
  return { atMs, note: `skipped hour: runs at ${shown}` }
}

/** The (first) instant of a wall time; of one that a clock change skips, the instant of that change. */
export function wallInstant(zone: TimeZone, wallMs: number): number {
  return locate(zone, wallMs).ms
}

function locate(zone: TimeZone, wallMs: number): Spot {
  let before = zone.stretchAt(wallMs - AHEAD_MS)
  for (let here = before; ; before = here, here = zone.stretchAt(here.untilMs)) {
    const ms = wallMs - here.offsetMs
    const gapMs = here.offsetMs - before.offsetMs
    if (ms < here.fromMs) return { kind: 'skipped', ms: here.fromMs, gapMs, offsetMs: here.offsetMs }
    if (ms >= here.untilMs) continue
    const after = zone.stretchAt(here.untilMs)
    const again = wallMs - after.offsetMs >= here.untilMs
    return { kind: again ? 'repeated' : 'single', ms, gapMs: 0, offsetMs: here.offsetMs }
  }
}

function offsetAt(zone: TimeZone, ms: number): number {
  return zone.stretchAt(ms).offsetMs
}
