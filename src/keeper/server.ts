/**
 * keeper.sock: asks in, answers and pushes out. A slow watcher is dropped, never buffered without bound; no
 * ask can end the keeper.
 */
import { LINE_MAX_BYTES, parseRequest, type Push, type Request } from '../contract/keeper.ts'
import { MarkError } from '../core/errors.ts'
import type { FleetEvent } from '../core/view.ts'
import { type Connection, listenLines, type Server } from '../host/line-socket.ts'
import { answerAsk } from './asks.ts'
import type { Engine } from './engine.ts'
import { fleetHead, fleetView, viewOf } from './fleet-view.ts'
import type { Watcher } from '../core/world.ts'

/**
 * Pushes wait for one another this long: while hundreds of modules start or end, the processor is theirs.
 */
const PUSH_WITHIN_MS = 5

export interface Daemonwards {
  /** The daemon said hello on a connection: it has written down all it saw. */
  hello(pid: number): void
  left(): void
}

export class KeeperServer implements Watcher {
  readonly #watching = new Set<Connection>()
  #engine: Engine | null = null
  #daemonwards: Daemonwards | null = null
  #fleetText = ''
  readonly #pushes: Push[] = []
  readonly #changed = new Set<string>()
  #isFleetChanged = false
  #isFlushDue = false

  async listen(path: string): Promise<Server> {
    const onConnection = (connection: Connection): void => this.#welcome(connection)
    return listenLines(path, { mode: 0o600, maxLineBytes: LINE_MAX_BYTES, onConnection })
  }

  serve(engine: Engine, daemonwards: Daemonwards): void {
    this.#engine = engine
    this.#daemonwards = daemonwards
  }

  moduleChanged(name: string): void {
    this.#changed.add(name)
    this.fleetChanged()
  }

  fleetChanged(): void {
    this.#isFleetChanged = true
    this.#flushSoon()
  }

  planChanged(): void {
    this.#push({ push: 'plan' })
  }

  happened(event: FleetEvent): void {
    this.#push({ push: 'event', event })
  }

  #push(push: Push): void {
    if (this.#watching.size > 0) this.#pushes.push(push)
    this.#flushSoon()
  }

  /** Told once the turn is over: whoever watches must not delay a restart. */
  #flushSoon(): void {
    if (this.#watching.size === 0 || this.#isFlushDue) return
    this.#isFlushDue = true
    setTimeout(() => this.flush(), PUSH_WITHIN_MS)
  }

  /**
   * Tells at once what waits: what happened, then what became of it, each module once, as it is now. A keeper
   * that leaves calls it, or the last word on the fleet is lost.
   */
  flush(): void {
    this.#isFlushDue = false
    const engine = this.#engine
    const pushes = this.#pushes.splice(0)
    if (this.#watching.size > 0 && engine) {
      for (const name of this.#changed) {
        const module = viewOf(engine, name)
        if (module) pushes.push({ push: 'module', module })
      }
      const fleet = this.#isFleetChanged ? this.#newHead(engine) : null
      if (fleet) pushes.push({ push: 'fleet', fleet })
    }
    this.#changed.clear()
    this.#isFleetChanged = false
    if (pushes.length > 0) for (const connection of this.#watching) connection.sendAll(pushes)
  }

  /** null: it is what was told last. */
  #newHead(engine: Engine): ReturnType<typeof fleetHead> | null {
    const modules = engine.modules().flatMap(child => viewOf(engine, child.spec.name) ?? [])
    const fleet = fleetHead(engine, modules)
    const text = JSON.stringify(fleet)
    if (text === this.#fleetText) return null
    this.#fleetText = text
    return fleet
  }

  #welcome(connection: Connection): void {
    let isDaemon = false
    connection.onClose(() => {
      this.#watching.delete(connection)
      if (isDaemon) this.#daemonwards?.left()
    })
    connection.onLine(line => {
      try {
        const request = parseRequest(line)
        if (request.ask === 'hello') isDaemon = true
        const value = this.#answer(connection, request)
        // What happened before the answer is told before it: a later push must never be older than an answer.
        this.flush()
        connection.send({ id: request.id, ok: true, value })
      } catch (error) {
        connection.send({ id: idOf(line), ok: false, error: bodyOf(error) })
      }
    })
  }

  #answer(connection: Connection, request: Request): unknown {
    const engine = this.#engine
    if (request.ask === 'ping') return { pid: process.pid }
    if (!engine) throw new MarkError('MARK_BUSY', 'The keeper is still starting.', 'Ask again in a moment.')
    if (request.ask === 'watch') {
      this.flush()
      this.#watching.add(connection)
      return fleetView(engine)
    }
    if (request.ask === 'hello') {
      this.#daemonwards?.hello(request.pid)
      return {}
    }
    return answerAsk(engine, request)
  }
}

function idOf(line: string): number {
  const match = /"id":(\d{1,15})/.exec(line.slice(0, 1000)) ?? /"id":(\d{1,15})}?$/.exec(line.slice(-40))
  return match ? Number(match[1]) : 0
}

function bodyOf(error: unknown): ReturnType<MarkError['toBody']> {
  if (error instanceof MarkError) return error.toBody()
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`an ask failed: ${text}\n`)
  return {
    code: 'MARK_INTERNAL',
    message: `The keeper could not do that: ${(error as Error).message}.`,
    hint: 'See keeper.log.',
  }
}
