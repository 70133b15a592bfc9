/**
 * The one timer of a process: the latest wish counts, the former is forgotten. It never sleeps longer than
 * half a minute, so that no mistake in the arithmetic lasts; a wake-up that came early is harmless.
 */
import type { Clock } from './clock.ts'

const SLEEP_MAX_MS = 30_000

export class OneTimer {
  readonly #clock: Pick<Clock, 'now'>
  readonly #wake: () => void
  #timer: NodeJS.Timeout | null = null
  #atMs: number | null = null

  constructor(clock: Pick<Clock, 'now'>, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  /** Wakes at or after this monotonic time; null: never. */
  at(monoMs: number | null): void {
    if (monoMs === this.#atMs && this.#timer) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#atMs = monoMs
    if (monoMs === null) return
    const delayMs = Math.min(Math.max(0, monoMs - this.#clock.now().monoMs), SLEEP_MAX_MS)
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#wake()
    }, delayMs)
  }
}
