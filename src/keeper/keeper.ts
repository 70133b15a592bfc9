/**
 * The keeper: an engine on a world, from its beginning to a `down`. Hears what the world tells and keeps the
 * promises that need more than one child: reloads, kills, the end of a session.
 */
import { completeKills, enforceKills } from './kills.ts'
import { DAEMON, moduleName } from '../core/child-name.ts'
import { isLive } from '../core/child.ts'
import { answerAsk } from './asks.ts'
import type { Engine } from './engine.ts'
import { type Beginning, begin, type StartOptions, settleDoubts } from './lifecycle.ts'
import { endAttempts } from './jobs.ts'
import { Notices } from './notices.ts'
import { advanceReloads } from './reload.ts'
import type { Hearing, Watcher, World } from '../core/world.ts'

export class Keeper implements Hearing {
  readonly engine: Engine
  readonly world: World
  readonly #beginning: Beginning
  readonly #notices: Notices
  #leaving = false

  constructor(world: World, watcher: Watcher, start: StartOptions) {
    this.world = world
    this.#beginning = begin(world, watcher, start)
    this.engine = this.#beginning.engine
    this.#notices = new Notices(this.engine)
    this.engine.afterTurn = () => this.#afterTurn()
    if (this.engine.session.closing) this.askDown('the keeper before')
    this.engine.turn()
  }

  /** Exits that only the daemon may know wait until then (monotonic ms); null: there are none. */
  get doubtsUntilMs(): number | null {
    return this.#beginning.doubtful.size === 0 ? null : this.#beginning.deadlineMs
  }

  settleDoubts(): void {
    settleDoubts(this.#beginning)
  }

  exited(runId: string, exit: Parameters<Hearing['exited']>[1]): void {
    this.engine.exitedRun(runId, exit)
  }

  swept(runId: string): void {
    const name = this.engine.childOfRun(runId)
    if (name === null) return
    this.engine.feed(name, { kind: 'swept', latched: this.engine.latchOf(moduleName(name))?.id ?? null })
  }

  hooked(child: string, hook: Parameters<Hearing['hooked']>[1], ok: boolean, reason: string): void {
    this.engine.feed(child, { kind: 'hooked', hook, ok, reason })
  }

  notified(slot: string, message: string): void {
    this.#notices.heard(slot, message)
  }

  woke(): void {
    const nowMs = this.world.now().monoMs
    const due = [...this.engine.children].filter(
      ([, child]) => child.wakeAtMs !== null && child.wakeAtMs <= nowMs,
    )
    this.engine.feedAll(due.map(([name]) => ({ name, event: { kind: 'woke' } })))
  }

  logDropped(module: string, dropped: Parameters<Hearing['logDropped']>[1]): void {
    this.engine.note('log_dropped', module, null, { ...dropped })
  }

  killFile(): void {
    enforceKills(this.engine)
  }

  askDown(by: string): void {
    answerAsk(this.engine, { ask: 'down', by })
  }

  /** Nothing runs and nothing should: a keeper that was started for a call that never came. */
  get idle(): boolean {
    return !this.engine.session.open && ![...this.engine.children.values()].some(isLive)
  }

  #afterTurn(): void {
    advanceReloads(this.engine)
    endAttempts(this.engine)
    if (this.engine.kills.length > 0) completeKills(this.engine)
    this.#dropStrangers()
    if (this.engine.session.closing) this.#close()
  }

  /** Modules that the plan no longer names, once nothing of them runs. */
  #dropStrangers(): void {
    const planned = new Set(this.engine.plan?.modules.map(spec => spec.name))
    for (const [name, child] of [...this.engine.children]) {
      const stranger = name === child.spec.name && name !== DAEMON && !planned.has(name)
      if (stranger && !isLive(child) && child.phase !== 'waiting' && child.phase !== 'starting')
        this.engine.drop(name)
    }
  }

  /** `down`: first the modules, then the daemon, then MARK itself. */
  #close(): void {
    if (this.#leaving) return
    const others = [...this.engine.children].filter(
      ([name, child]) => name !== DAEMON && (isLive(child) || this.engine.stops.has(name)),
    )
    if (others.length > 0) return
    const daemon = this.engine.children.get(DAEMON)
    if (daemon && isLive(daemon)) {
      if (daemon.phase === 'stopping') return
      this.engine.feed(DAEMON, {
        kind: 'stop',
        then: { kind: 'rest', stays: false },
        by: 'keeper',
        why: 'down',
      })
      return
    }
    this.#leaving = true
    this.engine.session = { ...this.engine.session, open: false, closing: false }
    this.engine.note('keeper_stopped', null, null, { pid: this.world.pid })
    this.engine.save()
    this.world.leave()
  }
}
