/**
 * The daemon's line to the keeper: connects, says hello, asks for the plan, watches; for ever again when it
 * breaks. Pushes reach the listener in order and only between `up` and `down`. Never gives up and never ends
 * the process.
 */
import type { Ask, Push } from '../contract/keeper.ts'
import { MarkError } from '../core/errors.ts'
import { shareEqual } from '../core/share-equal.ts'
import { type Plan, startedSpecs } from '../core/plan.ts'
import type { StatusDocument } from '../core/view.ts'
import { tidyUpAfter } from '../host/tidy-up.ts'

export interface KeeperConnection {
  ask(ask: Ask, timeoutMs?: number | null): Promise<unknown>
  onPush(callback: (push: Push) => void): void
  onClose(callback: () => void): void
  close(): void
}

export interface LinkListener {
  /** All evidence of the time without a keeper is to be on disk when this resolves; `hello` follows. */
  beforeHello(): Promise<void>
  up(plan: Plan | null, status: StatusDocument): void
  push(push: Exclude<Push, { push: 'plan' }>): void
  /** A new plan was applied. */
  planned(plan: Plan | null, status: StatusDocument): void
  down(): void
}

const RETRY_MIN_MS = 20
const RETRY_MAX_MS = 1000
const ASK_MS = 10_000

export class KeeperLink {
  readonly #connect: () => Promise<KeeperConnection>
  readonly #hello: { readonly pid: number; readonly version: string }
  readonly #listener: LinkListener
  #connection: KeeperConnection | null = null
  #retryMs = RETRY_MIN_MS
  #timer: NodeJS.Timeout | null = null
  #closed = false
  /** Pushes that wait until a new plan and its view are taken: what is newer must not be lost to them. */
  #held: Push[] | null = null

  constructor(
    connect: () => Promise<KeeperConnection>,
    hello: { readonly pid: number; readonly version: string },
    listener: LinkListener,
  ) {
    this.#connect = connect
    this.#hello = hello
    this.#listener = listener
  }

  start(): void {
    void this.#attempt()
  }

  get isUp(): boolean {
    return this.#connection !== null
  }

  /** Asks the keeper. MARK_NOT_RUNNING at once when it is away. */
  ask(ask: Ask): Promise<unknown> {
    if (this.#connection) return this.#connection.ask(ask, ASK_MS)
    return Promise.reject(
      new MarkError(
        'MARK_NOT_RUNNING',
        'The keeper is away.',
        'Run `mark status`; `mark kill` works without it.',
      ),
    )
  }

  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#connection?.close()
  }

  async #attempt(): Promise<void> {
    this.#timer = null
    try {
      await this.#open()
      this.#retryMs = RETRY_MIN_MS
    } catch {
      this.#again()
    }
  }

  async #open(): Promise<void> {
    const connection = await this.#connect()
    let lost = false
    connection.onClose(() => {
      lost = true
      if (this.#connection === connection) this.#lose()
    })
    try {
      await this.#listener.beforeHello()
      await connection.ask({ ask: 'hello', ...this.#hello }, ASK_MS)
      const plan = await askPlan(connection)
      const status = (await connection.ask({ ask: 'watch' }, ASK_MS)) as StatusDocument
      if (lost || this.#closed) throw new Error('lost before it was up')
      this.#connection = connection
      this.#listener.up(plan, status)
      connection.onPush(push => this.#hear(connection, push))
    } catch (error) {
      connection.close()
      throw error
    }
  }

  #hear(connection: KeeperConnection, push: Push): void {
    if (this.#connection !== connection) return
    if (this.#held) this.#held.push(push)
    else if (push.push === 'plan') void this.#replan(connection)
    else this.#listener.push(push)
  }

  async #replan(connection: KeeperConnection): Promise<void> {
    const held: Push[] = []
    this.#held = held
    try {
      const plan = await askPlan(connection)
      const status = (await connection.ask({ ask: 'state' }, ASK_MS)) as StatusDocument
      if (this.#connection === connection) this.#listener.planned(plan, status)
    } catch {
      // without the new plan everything the daemon does would be about the old one: begin again
      connection.close()
    }
    if (this.#held !== held) return
    this.#held = null
    for (const push of held) this.#hear(connection, push)
  }

  #lose(): void {
    this.#connection = null
    this.#held = null
    this.#listener.down()
    this.#again()
  }

  #again(): void {
    if (this.#closed || this.#timer) return
    this.#timer = setTimeout(() => void this.#attempt(), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }
}

async function askPlan(connection: KeeperConnection): Promise<Plan | null> {
  const { plan } = (await connection.ask({ ask: 'plan' }, ASK_MS)) as { plan: Plan | null }
  if (plan) tidyUpAfter(startedSpecs(plan).length)
  return shareEqual(plan)
}
