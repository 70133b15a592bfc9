/**
 * The keeper's loop: events go through core's `step`, effects go to the world, in order, and what the world
 * answers comes back as events. Persists before it spawns. Knows no policy: that is core's, and
 * plan.ts/asks.ts' wishes.
 */
import { DAEMON, moduleName, nextName, startsPerTurn } from '../core/child-name.ts'
import type { Session } from '../core/keeper-state.ts'
import { changes, companions, gate, type Peer, stopWave } from '../core/chain.ts'
import {
  type Child,
  type ChildEvent,
  earliestWake,
  type Effect,
  isLive,
  type Run,
  stateOf,
  type Then,
} from '../core/child.ts'
import { step } from '../core/child-step.ts'
import type { Exit } from '../core/exit.ts'
import type { ModuleSpec, Plan } from '../core/plan.ts'
import { formatUtc } from '../core/time.ts'
import type { EventKind, KillView } from '../core/view.ts'
import { coveringKill, killHold } from '../core/kill.ts'
import type { Watcher, World } from '../core/world.ts'
import { Remembrance } from '../host/remembrance.ts'
import { JobBook } from '../core/jobs/job-book.ts'
import { intend, startRun } from './start-run.ts'

export interface PendingStop {
  readonly then: Then
  readonly by: string
  readonly why: string
}

/** What the incoming or outgoing run of a reload does is told of the run; the module itself goes on. */
const OF_ANY_RUN: ReadonlySet<EventKind> = new Set(['started', 'ready', 'stopping', 'exited', 'hook'])

type Said = Extract<Effect, { do: 'note' }>

export class Engine {
  readonly world: World
  readonly watcher: Watcher
  readonly children = new Map<string, Child>()
  /** Stops asked for that wait for their dependents to be gone, by child. */
  readonly stops = new Map<string, PendingStop>()
  readonly jobs = new JobBook()
  /** Which run listens on which slot. */
  readonly slots = new Map<string, string>()
  plan: Plan | null = null
  kills: KillView[] = []
  /** Kills that the journal tells of, whoever wrote the latch. */
  readonly notedKills = new Set<string>()
  /** Kills whose end was recorded: complete, or with what could not be verified. */
  readonly settledKills = new Set<string>()
  session: Session
  readonly startedWallMs: number
  /**
   * While it takes over what an earlier keeper left, it only listens: nothing may start before all is known.
   */
  paused = false
  /** Called whenever nothing is left to do in this turn. */
  afterTurn: () => void = () => {}
  readonly #queue: { readonly name: string; readonly event: ChildEvent }[] = []
  readonly #remembrance = new Remembrance()
  readonly #changed = new Set<string>()
  /** Records of ended runs, removed once the turn's starts have happened: a restart waits for no unlink. */
  readonly #leftovers: string[] = []
  /** Exits of this turn that are not told yet: a restart waits for no word about the run before it. */
  readonly #untold: { readonly spec: ModuleSpec; readonly runId: string; readonly effect: Said }[] = []
  readonly #signals: { readonly name: string; readonly run: Run; readonly signal: string }[] = []
  #turning = false
  #startedInTurn = 0
  #isTurnDue = false

  constructor(world: World, watcher: Watcher, session: Session) {
    this.world = world
    this.watcher = watcher
    this.session = session
    this.startedWallMs = world.now().wallMs
  }

  /** Hands an event to a child and works until nothing is left to do. Unknown names are stale and ignored. */
  feed(name: string, event: ChildEvent): void {
    this.#queue.push({ name, event })
    this.turn()
  }

  /** As `feed`, for many at once: all are heard before anything is started. */
  feedAll(items: readonly { readonly name: string; readonly event: ChildEvent }[]): void {
    this.#queue.push(...items)
    this.turn()
  }

  turn(): void {
    if (this.#turning || this.paused) return
    this.#turning = true
    this.#startedInTurn = 0
    this.world.store.gather()
    try {
      do {
        do {
          for (let item = this.#queue.shift(); item; item = this.#queue.shift())
            this.#apply(item.name, item.event)
          this.#advanceStops()
        } while (this.#queue.length > 0 || this.#openGates())
      } while (this.#sendSignals())
    } finally {
      this.#turning = false
      this.tellExits(null)
      this.world.store.settle()
    }
    for (const runId of this.#leftovers.splice(0)) this.world.store.removeRun(runId)
    this.save()
    this.world.wakeAt(earliestWake(this.children.values()))
    this.#publish()
    this.afterTurn()
  }

  /** All signals of a turn, once the memory of what they are for is durable; true when there were any. */
  #sendSignals(): boolean {
    if (this.#signals.length === 0) return false
    this.save()
    for (const { name, run, signal } of this.#signals.splice(0)) {
      this.world.processes.signal(run, signal)
      this.#queue.push({ name, event: { kind: 'signalled' } })
    }
    return true
  }

  #hear(name: string, event: ChildEvent | null): void {
    if (event) this.#queue.push({ name, event })
  }

  childOfRun(runId: string): string | null {
    for (const [name, child] of this.children) if (child.run?.id === runId) return name
    return null
  }

  /** Children of declared modules, in plan order: neither the daemon nor incoming runs. */
  modules(): Child[] {
    return (this.plan?.modules ?? []).flatMap(spec => this.children.get(spec.name) ?? [])
  }

  put(name: string, child: Child): void {
    this.children.set(name, child)
    this.#changed.add(name)
    this.#remembrance.touch(name)
  }

  drop(name: string): void {
    this.children.delete(name)
    this.#changed.add(name)
    this.#remembrance.touch(name)
  }

  note(
    kind: EventKind,
    module: string | null,
    runId: string | null,
    data: Readonly<Record<string, unknown>>,
  ): void {
    if (this.#untold.length > 0) this.tellExits(null)
    const at = formatUtc(this.world.now().wallMs)
    this.watcher.happened(this.world.store.journal({ at, kind, module, run_id: runId, data }))
  }

  readLatches(): void {
    const kills = this.world.latches.read()
    const changed = JSON.stringify(kills) !== JSON.stringify(this.kills)
    this.kills = kills
    for (const { id, level, scope, reason, by } of kills) {
      if (this.notedKills.has(id)) continue
      this.notedKills.add(id)
      this.note('killed', null, null, { id, level, scope, reason, by })
    }
    if (changed) this.watcher.fleetChanged()
  }

  /** The kill that forbids this module to run, or null. */
  latchOf(module: string): KillView | null {
    return module === DAEMON ? null : coveringKill(this.kills, module, this.plan)
  }

  /** Saves what changed of what must be remembered, if anything did. */
  save(): void {
    this.#remembrance.save(this)
  }

  #apply(name: string, event: ChildEvent): void {
    const before = this.children.get(name)
    if (!before) return
    const [after, effects] = step(before, event, this.world.now(), this.world.chance())
    this.#become(name, before, after)
    for (const effect of effects) this.#perform(name, effect)
  }

  #become(name: string, before: Child, after: Child): void {
    if (before === after) return
    this.put(name, after)
    if (before.run && before.run.id !== after.run?.id) {
      this.#leftovers.push(before.run.id)
      this.world.processes.forget(before.run.id)
    }
  }

  #perform(name: string, effect: Effect): void {
    const child = this.children.get(name)
    if (!child) return
    const { processes } = this.world
    switch (effect.do) {
      case 'note':
        return this.#note(name, child, effect)
      case 'spawn':
        this.#hear(name, startRun(this, name, child))
        return
      case 'signal':
        if (child.run) this.#signals.push({ name, run: child.run, signal: effect.signal })
        return
      case 'kill':
        if (child.run) processes.kill(child.run)
        return
      case 'sweep':
        return this.#sweep(name, child, effect.kill)
      case 'hook':
        return this.#hook(name, child, effect.hook)
      case 'spread':
        return name === child.spec.name ? this.#spread(name) : undefined
    }
  }

  /** Every exit is journaled once, also when the keeper died right after it was written. */
  #note(name: string, child: Child, effect: Said): void {
    if (name !== child.spec.name && !OF_ANY_RUN.has(effect.kind)) return
    const runId = child.run?.id ?? child.lastExit?.run_id ?? null
    if (effect.kind !== 'exited') return this.note(effect.kind, child.spec.name, runId, effect.data)
    if (runId === null || this.world.store.journaledExit(runId)) return
    this.#untold.push({ spec: child.spec, runId, effect })
  }

  /** `next`: a run that has begun since, and where in its module's log: there the one before it ended. */
  tellExits(next: { readonly module: string; readonly logOffset: number } | null): void {
    for (const { spec, runId, effect } of this.#untold.splice(0)) {
      const known = next?.module === spec.name ? next.logOffset : null
      const log_offset = this.world.processes.markLogEnd(spec, runId, known)
      this.note('exited', spec.name, runId, { ...effect.data, log_offset })
    }
  }

  #sweep(name: string, child: Child, kill: boolean): void {
    if (!child.run) return
    const clean = this.world.processes.sweep(child.run, kill, child.spec.stop.signal)
    if (clean)
      this.#queue.push({ name, event: { kind: 'swept', latched: this.latchOf(child.spec.name)?.id ?? null } })
  }

  #hook(name: string, child: Child, hook: 'before' | 'verify' | 'recover'): void {
    const { spec, run } = child
    const argv = hook === 'recover' ? spec.recover?.argv : spec.stop[hook]
    const timeoutMs = hook === 'recover' ? (spec.recover?.timeoutMs ?? 30_000) : 30_000
    if (!argv || !this.plan) {
      this.#queue.push({ name, event: { kind: 'hooked', hook, ok: true, reason: 'none declared' } })
      return
    }
    this.world.processes.hook({ plan: this.plan, spec, child: name, hook, argv, timeoutMs, run })
  }

  #spread(failed: string): void {
    const why = `${failed} of its group failed`
    for (const name of companions(this.plan?.groups ?? {}, failed)) {
      this.#queue.push({
        name,
        event: { kind: 'stop', then: { kind: 'start', why: 'crash' }, by: 'group', why },
      })
    }
  }

  /** Reverse dependency order: a child is stopped once nothing live that is to stop depends on it. */
  #advanceStops(): void {
    if (this.stops.size === 0) return
    const live = new Set<string>()
    for (const [name, child] of this.children) {
      if (isLive(child) && (this.stops.has(name) || child.phase === 'stopping')) live.add(name)
    }
    const wave = new Set(
      stopWave(
        [...this.children.values()].map(child => child.spec),
        live,
      ),
    )
    for (const [name, { then, by, why }] of this.stops) {
      const child = this.children.get(name)
      if (child && live.has(name) && !wave.has(name)) continue
      this.stops.delete(name)
      if (child) this.#queue.push({ name, event: { kind: 'stop', then, by, why } })
    }
  }

  /** Lets waiting children start, wait or be skipped; true while there is more to do in this turn. */
  #openGates(): boolean {
    const waiting = [...this.children].filter(
      ([, child]) => child.phase === 'waiting' || child.outcome === 'skipped',
    )
    if (waiting.length === 0) return false
    this.readLatches()
    const peers = waiting.some(([, { spec }]) => spec.dependsOn.length > 0) ? this.#peers() : new Map()
    const starting: string[] = []
    for (const [name, child] of waiting) {
      const event = this.#gateOf(name, child, peers)
      if (event.kind === 'go' && child.phase === 'waiting') starting.push(name)
      else if (changes(child, event)) this.#queue.push({ name, event })
    }
    const now = starting.slice(0, startsPerTurn(starting) - this.#startedInTurn)
    if (starting.length > now.length) this.#turnAgain()
    this.#startedInTurn += now.length
    this.#start(now)
    return this.#queue.length > 0
  }

  #peers(): Map<string, Peer> {
    return new Map(
      this.modules().map(child => [child.spec.name, { state: stateOf(child), reason: child.reason }]),
    )
  }

  #turnAgain(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    this.world.soon(() => {
      this.#isTurnDue = false
      this.turn()
    })
  }

  #gateOf(name: string, child: Child, peers: ReadonlyMap<string, Peer>): ChildEvent {
    const { spec } = child
    const kill = this.latchOf(spec.name)
    if (kill) return { kind: 'hold', hold: killHold(kill) }
    const stop = this.stops.get(name)
    if (stop) return { kind: 'stop', ...stop }
    if (name !== spec.name || name === DAEMON) return { kind: 'go' }
    const other = this.children.get(nextName(name))
    if (other && isLive(other)) return { kind: 'block', reason: 'another run of it is still there (reload)' }
    const answer = gate(spec.dependsOn, peers)
    return answer.kind === 'wait' ? { kind: 'block', reason: answer.reason } : answer
  }

  /**
   * All of one turn's starts are durable in the memory of their children before the first of them happens;
   * the journal is written once the turn is over.
   */
  #start(names: readonly string[]): void {
    const effects: { name: string; effect: Effect }[] = []
    for (const name of names) {
      const before = this.children.get(name) as Child
      const [after, own] = step(before, { kind: 'go' }, this.world.now(), this.world.chance())
      this.#become(name, before, intend(this, name, after))
      for (const effect of own) effects.push({ name, effect })
    }
    if (effects.length > 0) this.save()
    for (const { name, effect } of effects) this.#perform(name, effect)
  }

  #publish(): void {
    const names = new Set([...this.#changed].map(moduleName))
    this.#changed.clear()
    for (const name of names) this.watcher.moduleChanged(name)
  }

  exitedRun(runId: string, exit: Exit): void {
    const name = this.childOfRun(runId)
    const latched = name === null ? null : (this.latchOf(moduleName(name))?.id ?? null)
    if (name !== null) this.feed(name, { kind: 'exited', exit, latched })
  }
}
