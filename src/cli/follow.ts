/**
 * A live copy of the fleet's state, fed by the keeper's pushes, and waiting on it: by event, never by
 * polling.
 */
import type { Push } from '../contract/keeper.ts'
import type { FleetEvent, ModuleView, StatusDocument } from '../core/view.ts'
import type { KeeperClient } from '../host/line-socket.ts'

export type Waited = 'met' | 'timeout' | 'closed' | 'interrupted'
export type OnChange = (view: ModuleView, before: ModuleView | undefined) => void

export class Follow {
  /** Replaced by `attach` when a successor took over. */
  keeper: KeeperClient
  readonly views = new Map<string, ModuleView>()
  head: Omit<StatusDocument, 'modules'>
  closed = false
  readonly #wakers = new Set<() => void>()
  readonly #onChange: OnChange[] = []
  readonly #onEvent: ((event: FleetEvent) => void)[] = []
  /** Pushes that wait for an answer to be taken; null: none is awaited. */
  #held: Push[] | null = null

  private constructor(keeper: KeeperClient, document: StatusDocument) {
    this.keeper = keeper
    this.head = document
    for (const view of document.modules) this.views.set(view.name, view)
    this.#listen(keeper)
  }

  static async start(keeper: KeeperClient): Promise<Follow> {
    return new Follow(keeper, (await keeper.ask({ ask: 'watch' })) as StatusDocument)
  }

  /** Goes on with another keeper of the same fleet, after the first was lost. */
  async attach(keeper: KeeperClient): Promise<void> {
    await keeper.ask({ ask: 'watch' })
    this.keeper = keeper
    this.closed = false
    this.#listen(keeper)
    await this.refresh()
  }

  onChange(callback: OnChange): void {
    this.#onChange.push(callback)
  }

  onEvent(callback: (event: FleetEvent) => void): void {
    this.#onEvent.push(callback)
  }

  /**
   * Asks for everything anew: after an answer, so that what is awaited is never judged by what was before.
   * Pushes are taken after it: one that is newer may be read in the same moment, and must not be lost to it.
   * One that is older is the last word on its module all the same, since every change is pushed.
   */
  async refresh(): Promise<void> {
    this.#held ??= []
    try {
      this.#replace((await this.keeper.ask({ ask: 'state' })) as StatusDocument)
    } finally {
      const held = this.#held ?? []
      this.#held = null
      // What was said of a module that is not there any more must not bring it back.
      for (const push of held)
        if (push.push !== 'module' || this.views.has(push.module.name)) this.#push(push)
    }
    this.#wake()
  }

  #replace({ modules, ...head }: StatusDocument): void {
    this.head = head
    for (const name of [...this.views.keys()]) {
      if (!modules.some(module => module.name === name)) this.views.delete(name)
    }
    for (const module of modules) this.#take(module)
  }

  /** Waits until `check` holds; checked at once and after every change. `stop` ends the wait from outside. */
  until(check: () => boolean, timeoutMs: number | null, stop?: Promise<unknown>): Promise<Waited> {
    return new Promise(resolve => {
      let timer: NodeJS.Timeout | null = null
      const settle = (how: Waited): void => {
        this.#wakers.delete(look)
        if (timer) clearTimeout(timer)
        resolve(how)
      }
      const look = (): void => {
        if (check()) settle('met')
        else if (this.closed) settle('closed')
      }
      this.#wakers.add(look)
      if (timeoutMs !== null) timer = setTimeout(() => settle('timeout'), timeoutMs)
      void stop?.then(() => settle('interrupted'))
      look()
    })
  }

  #listen(keeper: KeeperClient): void {
    keeper.onPush(push => this.#push(push))
    keeper.onClose(() => {
      if (keeper !== this.keeper) return
      this.closed = true
      this.#wake()
    })
  }

  #push(push: Push): void {
    if (this.#held) {
      this.#held.push(push)
      return
    }
    if (push.push === 'module') this.#take(push.module)
    else if (push.push === 'fleet') this.head = push.fleet
    else if (push.push === 'event') for (const callback of this.#onEvent) callback(push.event)
    this.#wake()
  }

  #take(view: ModuleView): void {
    // The keeper's own children: the daemon, and the incoming run of a reload.
    if (view.name.startsWith('@') || view.name.includes('~')) return
    const before = this.views.get(view.name)
    this.views.set(view.name, view)
    if (before?.state !== view.state || before.run_id !== view.run_id || before.health !== view.health) {
      for (const callback of this.#onChange) callback(view, before)
    }
  }

  #wake(): void {
    for (const look of [...this.#wakers]) look()
  }
}
