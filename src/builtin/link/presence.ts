/** Which modules have a connection: told under mark/presence/<module>, kept for those who ask later. */
export interface PresenceDeps {
  readonly publish: (topic: string, payload: string) => void
  readonly wallMs: () => number
}

export class Presence<Client extends object> {
  readonly #deps: PresenceDeps
  readonly #clients = new Map<string, Set<Client>>()

  constructor(deps: PresenceDeps) {
    this.#deps = deps
  }

  came(module: string, client: Client): void {
    const clients = this.#clients.get(module) ?? new Set()
    this.#clients.set(module, clients.add(client))
    if (clients.size === 1) this.#say(module, 'here')
  }

  left(module: string, client: Client): void {
    const clients = this.#clients.get(module)
    if (!clients?.delete(client) || clients.size > 0) return
    this.#clients.delete(module)
    this.#say(module, 'gone')
  }

  /** Of these, those that are not here: a broker that is new says so of all it knows to expect. */
  sayMissing(modules: Iterable<string>): void {
    for (const module of modules) if (!this.#clients.has(module)) this.#say(module, 'gone')
  }

  #say(module: string, state: 'here' | 'gone'): void {
    this.#deps.publish(`mark/presence/${module}`, JSON.stringify({ state, at: this.#deps.wallMs() }))
  }
}
