/**
 * What a module's own heartbeats say of its health: pure. Silence beyond the timeout, once it was heard, is
 * unhealthy; a feed that is too old, or another trading state than the one expected, is stale. Promises: who
 * was never heard is unknown, not unhealthy; a state that MARK itself asked for is never held against it; no
 * feed is older than the hours in which it has to tick.
 */
import type { HeartbeatSpec } from './plan.ts'
import type { Instant } from './time.ts'
import type { Health } from './view.ts'

/** One heartbeat as it was said. Times of feeds are Unix milliseconds. */
export interface Beat {
  readonly state: string | null
  readonly feeds: readonly { readonly name: string; readonly lastTickMs: number | null }[]
}

export interface HeartbeatWatch {
  /** Last heartbeat or ping, monotonic; null: none yet. */
  readonly signMs: number | null
  readonly state: string | null
  /** First heartbeat, monotonic: a feed that never ticked is as old as that. null: none yet. */
  readonly firstBeatMs: number | null
  readonly beatMs: number | null
  /** Its oldest feed when the heartbeat came; null: it names none. */
  readonly oldest: { readonly name: string; readonly ageMs: number; readonly ticked: boolean } | null
}

export interface HeartbeatVerdict {
  readonly health: Health
  readonly reason: string
  readonly tradingState: string | null
  /** Age of its oldest data now; null when no feed was told of. */
  readonly dataAgeMs: number | null
}

export const NEVER_HEARD: HeartbeatWatch = {
  signMs: null,
  state: null,
  firstBeatMs: null,
  beatMs: null,
  oldest: null,
}

export interface HeartbeatContext {
  readonly halted: boolean
  readonly paused: boolean
  readonly connected: boolean
  readonly feedsDueMs: number
}

/** They come at least this often: what a watcher that was away itself waits before it judges. */
const BEAT_MS = 5000
/** On the way to a state: not held against the module. */
const ON_THE_WAY: ReadonlySet<string> = new Set(['starting', 'catching_up'])

export function heardPing(watch: HeartbeatWatch, nowMs: number): HeartbeatWatch {
  return { ...watch, signMs: nowMs }
}

/** `fresh`: false for one that was said before, as after a new connection: no sign of life. */
export function heardBeat(watch: HeartbeatWatch, beat: Beat, fresh: boolean, now: Instant): HeartbeatWatch {
  const firstBeatMs = watch.firstBeatMs ?? now.monoMs
  const aged = beat.feeds.map(({ name, lastTickMs }) => ({
    name,
    ticked: lastTickMs !== null,
    ageMs: lastTickMs === null ? now.monoMs - firstBeatMs : Math.max(0, now.wallMs - lastTickMs),
  }))
  return {
    signMs: fresh || watch.signMs === null ? now.monoMs : watch.signMs,
    state: beat.state,
    firstBeatMs,
    beatMs: now.monoMs,
    oldest: aged.reduce<HeartbeatWatch['oldest']>(
      (oldest, feed) => (oldest === null || feed.ageMs > oldest.ageMs ? feed : oldest),
      null,
    ),
  }
}

/** The watcher itself was away, or asleep with the host: the module gets the time to speak up. */
export function watcherWasAway(watch: HeartbeatWatch, spec: HeartbeatSpec, nowMs: number): HeartbeatWatch {
  if (watch.signMs === null) return watch
  return {
    ...watch,
    signMs: Math.max(watch.signMs, nowMs - spec.timeoutMs + Math.min(spec.timeoutMs, BEAT_MS)),
  }
}

/**
 * `spec` null: heartbeats are off, and say nothing of health. `halted`: it is to pause or halt, so nothing
 * but silence is held against it. `paused`: MARK paused it for being stale: only the state `paused` is not
 * held against it. `connected`: only for the reason; silence counts either way. `feedsDueMs`: for how long,
 * when the last heartbeat came, data had been due without a break (its market open); Infinity: always.
 */
export function judgeHeartbeat(
  spec: HeartbeatSpec | null,
  watch: HeartbeatWatch,
  given: HeartbeatContext,
  nowMs: number,
): HeartbeatVerdict {
  const { state: tradingState, oldest, beatMs } = watch
  const dataAgeMs = oldest === null || beatMs === null ? null : oldest.ageMs + Math.max(0, nowMs - beatMs)
  const verdict = (health: Health, reason: string): HeartbeatVerdict => {
    return { health, reason, tradingState, dataAgeMs }
  }
  if (spec === null) return verdict('unknown', 'its heartbeats are not judged')
  if (watch.signMs === null) return verdict('unknown', 'no heartbeat yet')
  if (nowMs - watch.signMs >= spec.timeoutMs) {
    const why = given.connected ? '' : ', and it is not connected'
    return verdict('unhealthy', `no heartbeat for ${seconds(spec.timeoutMs)}${why}`)
  }
  const judged = beatMs !== null && !given.halted
  const why = judged
    ? (wrongState(spec, watch, given.paused) ?? oldData(spec, watch, given.feedsDueMs))
    : null
  if (why !== null) return verdict('stale', why)
  const hours = given.feedsDueMs > 0 ? '' : ', and no data are due now'
  return verdict('healthy', `its heartbeats go on${hours}`)
}

/** When silence would make it unhealthy, monotonic; null: never. */
export function silentAtMs(spec: HeartbeatSpec | null, watch: HeartbeatWatch): number | null {
  return spec === null || watch.signMs === null ? null : watch.signMs + spec.timeoutMs
}

function wrongState({ expectState }: HeartbeatSpec, watch: HeartbeatWatch, paused: boolean): string | null {
  if (expectState === null || watch.state === expectState) return null
  if (paused && watch.state === 'paused') return null
  if (watch.state === null) return `it does not say its state, ${expectState} is expected`
  return ON_THE_WAY.has(watch.state) ? null : `it says ${watch.state}, ${expectState} is expected`
}

function oldData({ maxDataAgeMs }: HeartbeatSpec, watch: HeartbeatWatch, dueMs: number): string | null {
  if (maxDataAgeMs === null || watch.state === 'starting' || dueMs <= maxDataAgeMs) return null
  if (watch.oldest === null) {
    const told = (watch.beatMs ?? 0) - (watch.firstBeatMs ?? 0)
    return told > maxDataAgeMs ? 'its heartbeats name no feed' : null
  }
  const { name, ageMs, ticked } = watch.oldest
  if (ageMs <= maxDataAgeMs) return null
  if (!ticked) return `${name} never had any data`
  return `no data of ${name} for ${seconds(ageMs)}`
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}
