/**
 * Lets the messages of each client through one after the other, and nobody's before it is opened. Without it
 * the broker would let messages of one client overtake one another. Holds only what the broker has read and
 * not yet passed on, and the broker reads no more of a client meanwhile.
 */
type Go = () => void

export class Turnstile<Client extends object> {
  /** A client is in here while a message of it is under way; behind it those that wait. */
  readonly #queues = new Map<Client, Go[]>()
  #held: Go[] | null = []

  /** Calls `go` when it is this message's turn; `passed` must follow. */
  enter(client: Client, go: Go): void {
    const queue = this.#queues.get(client)
    if (queue) {
      queue.push(go)
      return
    }
    this.#queues.set(client, [])
    this.whenOpen(go)
  }

  /** The message under way is through. */
  passed(client: Client): void {
    const queue = this.#queues.get(client)
    if (!queue) return
    const next = queue.shift()
    // Not called here: a thousand small messages would be as many calls deep.
    if (next) queueMicrotask(next)
    else this.#queues.delete(client)
  }

  /** It will send no more; what waits is dropped. */
  forget(client: Client): void {
    this.#queues.delete(client)
  }

  whenOpen(go: Go): void {
    if (this.#held) this.#held.push(go)
    else go()
  }

  open(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const go of held) go()
  }
}
