/** What one receiver has heard already: of each topic and epoch the last number. Bounded, pure. */
const KEYS_MAX = 10_000

export class LinkSeen {
  readonly #last = new Map<string, number>()

  /** Whether it is news. */
  take(topic: string, epoch: string, seq: number): boolean {
    const key = `${topic}\0${epoch}`
    const last = this.#last.get(key)
    if (last !== undefined && seq <= last) return false
    // Set anew, so that what was not heard of for longest stands first.
    this.#last.delete(key)
    this.#last.set(key, seq)
    if (this.#last.size > KEYS_MAX) this.#last.delete(this.#last.keys().next().value as string)
    return true
  }
}
