/**
 * When a probed run counts as ready, healthy or unhealthy: pure thresholds. Readiness: the first success,
 * within a timeout that counts only while the daemon watches. Health: `failures` in a row, forgiven during
 * `start_period`; back to healthy after two successes in a row, so that a flapping module does not flip with
 * every probe.
 */
import type { HealthSpec } from './plan.ts'

/** What one probe, or one look at a log, found. `reason` is for people and holds no secrets. */
export interface ProbeResult {
  readonly ok: boolean
  readonly reason: string
}

export interface HealthWatch {
  readonly verdict: 'unknown' | 'healthy' | 'unhealthy'
  readonly reason: string
  /** Failures in a row that count. */
  readonly failures: number
  /** Successes in a row. */
  readonly successes: number
  /** End of the start period on the monotonic clock; the first success ends it at once. */
  readonly graceUntilMs: number
  /** When the next probe is due, monotonic. */
  readonly wakeAtMs: number
}

const SUCCESSES_TO_RECOVER = 2

/** A run that started at `startedMs` and is to be probed from `firstMs` on (both monotonic). */
export function watchHealth(spec: HealthSpec, startedMs: number, firstMs: number): HealthWatch {
  const graceUntilMs = startedMs + spec.startPeriodMs
  return {
    verdict: 'unknown',
    reason: 'not probed yet',
    failures: 0,
    successes: 0,
    graceUntilMs,
    wakeAtMs: firstMs,
  }
}

/** The watch after one result that was asked for and came at `nowMs`. */
export function stepHealth(
  watch: HealthWatch,
  spec: HealthSpec,
  result: ProbeResult,
  nowMs: number,
): HealthWatch {
  const wakeAtMs = nowMs + spec.intervalMs
  if (result.ok) {
    const successes = watch.successes + 1
    const still = watch.verdict === 'unhealthy' && successes < SUCCESSES_TO_RECOVER
    const verdict = still ? 'unhealthy' : 'healthy'
    const reason = still ? watch.reason : result.reason
    return {
      verdict,
      reason,
      failures: 0,
      successes,
      graceUntilMs: Math.min(watch.graceUntilMs, nowMs),
      wakeAtMs,
    }
  }
  if (nowMs < watch.graceUntilMs) return { ...watch, successes: 0, wakeAtMs }
  const failures = watch.failures + 1
  const unhealthy = failures >= spec.failures
  const reason = unhealthy ? `${result.reason} (${failures} in a row)` : watch.reason
  return {
    ...watch,
    verdict: unhealthy ? 'unhealthy' : watch.verdict,
    reason,
    failures,
    successes: 0,
    wakeAtMs,
  }
}

export interface ReadyWatch {
  readonly verdict: 'waiting' | 'ready' | 'unready'
  readonly reason: string
  /** What is left of the timeout. */
  readonly remainingMs: number
  /** Since when the timeout counts, monotonic; null while it stands still. */
  readonly sinceMs: number | null
}

/**
 * More than this between two looks means that we were not looking (stopped, suspended): it does not count.
 */
const MAX_COUNTED_MS = 3000

export function watchReady(timeoutMs: number, nowMs: number): ReadyWatch {
  return { verdict: 'waiting', reason: 'not ready yet', remainingMs: timeoutMs, sinceMs: nowMs }
}

/** Counts the time up to `nowMs`; `counting`: whether it goes on counting from there. */
export function passReady(watch: ReadyWatch, nowMs: number, counting: boolean): ReadyWatch {
  if (watch.verdict !== 'waiting') return watch
  const passed = watch.sinceMs === null ? 0 : Math.min(Math.max(0, nowMs - watch.sinceMs), MAX_COUNTED_MS)
  const remainingMs = Math.max(0, watch.remainingMs - passed)
  const sinceMs = counting ? nowMs : null
  return { ...watch, remainingMs, sinceMs, verdict: remainingMs === 0 ? 'unready' : 'waiting' }
}

/** The watch after one result. A failure only says why it is not ready yet. */
export function stepReady(watch: ReadyWatch, result: ProbeResult): ReadyWatch {
  if (watch.verdict !== 'waiting') return watch
  return { ...watch, verdict: result.ok ? 'ready' : 'waiting', reason: result.reason }
}

export interface SilenceWatch {
  readonly silent: boolean
  readonly lastByteMs: number
  readonly sizeBytes: number
  readonly lookedMs: number
  readonly wakeAtMs: number
  /** The look before came much too late, and gave it a second: once, however late the next one is. */
  readonly wasLate: boolean
}

const LATE_MS = 1000

/** Watches a log for growth from now on. */
export function watchSilence(silenceMs: number, sizeBytes: number, nowMs: number): SilenceWatch {
  const wakeAtMs = nowMs + silenceMs
  return { silent: false, lastByteMs: nowMs, sizeBytes, lookedMs: nowMs, wakeAtMs, wasLate: false }
}

/**
 * One look: the log has `sizeBytes`, last written `ageMs` ago by the wall clock. The age is only believed
 * inside the time between two looks, so a step of the clock can neither raise an alarm nor hide one for
 * longer. A look that comes much too late is the watcher's own silence: the module gets a second to speak up.
 */
export function stepSilence(
  watch: SilenceWatch,
  silenceMs: number,
  look: { readonly sizeBytes: number; readonly ageMs: number | null },
  nowMs: number,
): SilenceWatch {
  const grew = look.sizeBytes !== watch.sizeBytes
  const age = Math.min(Math.max(0, look.ageMs ?? 0), nowMs - watch.lookedMs)
  // Growth between two looks may be of any moment, whatever a clock that was set says of its age.
  const isLate = nowMs - watch.wakeAtMs > LATE_MS
  const inDoubt = !watch.silent && (grew || (isLate && !watch.wasLate))
  const atLeastMs = inDoubt ? nowMs - silenceMs + Math.min(silenceMs, LATE_MS) : 0
  const lastByteMs = Math.max(grew ? nowMs - age : watch.lastByteMs, atLeastMs)
  const silent = nowMs - lastByteMs >= silenceMs
  const wakeAtMs = silent ? nowMs + Math.min(silenceMs, 1000) : lastByteMs + silenceMs
  const wasLate = !grew && (isLate || (watch.wasLate && !silent))
  return { silent, lastByteMs, sizeBytes: look.sizeBytes, lookedMs: nowMs, wakeAtMs, wasLate }
}
