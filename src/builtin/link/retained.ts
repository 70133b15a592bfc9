/** How much the broker keeps for those who subscribe later: bounded in topics and bytes. */
const TOPICS_MAX = 10_000
const BYTES_MAX = 64 * 1024 * 1024

export class Retained {
  readonly #sizes = new Map<string, number>()
  #bytes = 0

  /** Counts it, if it still fits. Nothing at all takes a topic's message away. */
  take(topic: string, bytes: number): boolean {
    const before = this.#sizes.get(topic) ?? 0
    if (bytes === 0) this.#sizes.delete(topic)
    else {
      const size = bytes + topic.length
      const isFull = !this.#sizes.has(topic) && this.#sizes.size >= TOPICS_MAX
      if (isFull || this.#bytes - before + size > BYTES_MAX) return false
      this.#sizes.set(topic, size)
      this.#bytes += size
    }
    this.#bytes -= before
    return true
  }
}
