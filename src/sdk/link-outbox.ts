/**
 * What was published and may have to be said again: the last ten seconds, within bounds, and the newest
 * retained message of each topic. Pure: the time is an argument. `dropped` counts what nobody can have heard.
 */
export interface Outgoing {
  readonly topic: string
  readonly text: string
  readonly qos: 0 | 1
  readonly retain: boolean
  readonly atMs: number
  /** Taken by the broker, or with QoS 0 written to it. */
  isTaken: boolean
  /** No longer kept: not to be sent any more. */
  isGone: boolean
}

export const WINDOW_MS = 10_000
const MESSAGES_MAX = 1000
const BYTES_MAX = 4 * 1024 * 1024
const RETAINED_MAX = 1000

export class LinkOutbox {
  readonly #kept = new Set<Outgoing>()
  readonly #retained = new Map<string, Outgoing>()
  #keptBytes = 0
  dropped = 0

  add(message: Pick<Outgoing, 'topic' | 'text' | 'qos' | 'retain'>, nowMs: number): Outgoing {
    const outgoing: Outgoing = { ...message, atMs: nowMs, isTaken: false, isGone: false }
    this.#kept.add(outgoing)
    this.#keptBytes += sizeOf(outgoing)
    if (message.retain) this.#retain(outgoing)
    this.forget(nowMs)
    return outgoing
  }

  /** For a new connection, in order: what is retained and older than the window, then all that is kept. */
  replay(nowMs: number): Outgoing[] {
    this.forget(nowMs)
    return [...[...this.#retained.values()].filter(message => !this.#kept.has(message)), ...this.#kept]
  }

  /** Lets go of what is too old or too much. */
  forget(nowMs: number): void {
    for (const message of this.#kept) {
      const isOver = this.#kept.size > MESSAGES_MAX || this.#keptBytes > BYTES_MAX
      if (!isOver && message.atMs >= nowMs - WINDOW_MS) return
      this.#kept.delete(message)
      this.#keptBytes -= sizeOf(message)
      if (this.#retained.get(message.topic) === message) continue
      message.isGone = true
      if (!message.isTaken) this.dropped++
    }
  }

  #retain(message: Outgoing): void {
    // Set anew, so that the oldest stands first.
    this.#retained.delete(message.topic)
    this.#retained.set(message.topic, message)
    if (this.#retained.size > RETAINED_MAX)
      this.#retained.delete(this.#retained.keys().next().value as string)
  }
}

function sizeOf({ topic, text }: Outgoing): number {
  return topic.length + text.length
}
