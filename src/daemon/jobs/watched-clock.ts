/**
 * Since when the wall clock ran on without a gap: a step, or a host that slept, shows as the two clocks
 * moving apart. Instants before that passed while nobody watched.
 */
import type { Instant } from '../../core/time.ts'

/** More than a slewed clock drifts between two looks. */
const STEP_MS = 1500

export class WatchedClock {
  #last: Instant | null = null
  #sinceMs: number | null = null

  /** Nobody watches from here on, until the next look. */
  leave(): void {
    this.#last = null
  }

  /** Unix ms from which on every instant was watched. Call it at least every half minute. */
  look(now: Instant): number {
    const last = this.#last
    this.#last = now
    const isSame = last !== null && Math.abs(now.wallMs - last.wallMs - (now.monoMs - last.monoMs)) < STEP_MS
    if (!isSame || this.#sinceMs === null) this.#sinceMs = now.wallMs
    return this.#sinceMs
  }
}
