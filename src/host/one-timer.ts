/**
 * The one timer of a process: the latest wish counts, the former is forgotten. It never sleeps longer than
 * half a minute, so that no mistake in the arithmetic lasts; a wake-up that came early is harmless. When it
 * comes much too late the process stood still, perhaps the whole host did: then what the others sent
 * meanwhile, or would have sent, is heard first.
 */
import type { Clock } from './clock.ts'

const SLEEP_MAX_MS = 30_000
const STOOD_STILL_MS = 1000
/** For everybody to speak up: who slept until a time that has passed does so at once. */
const HEAR_FIRST_MS = 1000

export class OneTimer {
  readonly #clock: Pick<Clock, 'now'>
  readonly #wake: () => void
  #timer: NodeJS.Timeout | null = null
  #atMs: number | null = null
  #dueMs = 0
  #notBeforeMs = 0

  constructor(clock: Pick<Clock, 'now'>, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  /** Wakes at or after this monotonic time; null: never. */
  at(monoMs: number | null): void {
    if (monoMs === this.#atMs && this.#timer) return
    if (this.#timer) {
      clearTimeout(this.#timer)
      this.#noticeStandstill()
    }
    this.#timer = null
    this.#atMs = monoMs
    if (monoMs === null) return
    const nowMs = this.#clock.now().monoMs
    const earliestMs = Math.max(monoMs, this.#notBeforeMs)
    const delayMs = Math.min(Math.max(0, earliestMs - nowMs), SLEEP_MAX_MS)
    this.#dueMs = nowMs + delayMs
    this.#timer = setTimeout(() => {
      this.#timer = null
      if (!this.#noticeStandstill()) return this.#wake()
      this.at(this.#atMs)
    }, delayMs)
  }

  /** True: the timer should have fired long ago. */
  #noticeStandstill(): boolean {
    const nowMs = this.#clock.now().monoMs
    if (nowMs - this.#dueMs < STOOD_STILL_MS) return false
    this.#notBeforeMs = nowMs + HEAR_FIRST_MS
    return true
  }
}
