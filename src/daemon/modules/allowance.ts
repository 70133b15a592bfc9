/**
 * How often something may be said for each name: some at once, then one in a while. Pure; bounded by the
 * names that are kept.
 */
interface Purse {
  readonly left: number
  readonly atMs: number
}

export class Allowance {
  readonly #atOnce: number
  readonly #everyMs: number
  readonly #purses = new Map<string, Purse>()

  constructor(atOnce: number, everyMs: number) {
    this.#atOnce = atOnce
    this.#everyMs = everyMs
  }

  /** Whether it may be said now, which then counts. */
  takes(name: string, nowMs: number): boolean {
    const { left, atMs } = this.#purses.get(name) ?? { left: this.#atOnce, atMs: nowMs }
    const earned = Math.floor((nowMs - atMs) / this.#everyMs)
    const now = Math.min(this.#atOnce, left + earned)
    const sinceMs = now === this.#atOnce ? nowMs : atMs + earned * this.#everyMs
    this.#purses.set(name, { left: Math.max(0, now - 1), atMs: sinceMs })
    return now > 0
  }

  forget(name: string): void {
    this.#purses.delete(name)
  }
}
