/**
 * A module's side of MARK: what it can say, ask and hear. Promises: no call blocks or throws because of MARK;
 * outside MARK each is a harmless no-op. The process itself (signals, its end) comes as an argument.
 */
import type { Heartbeat, MarkMessage, ModuleMessage } from '../contract/module.ts'
import { crashOf, exitCodeOf } from './crash-report.ts'
import { haltLevelOf } from './halt-file.ts'
import { type HaltCallbacks, HaltWatch } from './halt-watch.ts'
import { Line } from './line.ts'
import { contextOf, type RunContext } from './run-context.ts'

export const SDK_NAME = 'node/0.1.0'

/** What of the process the SDK touches. */
export interface OwnProcess {
  readonly pid: number
  onStopSignal(heard: (signal: string) => void): void
  /** Before an error that nobody caught ends the process. Never keeps it from ending. */
  onCrash(heard: (thrown: unknown) => void): void
  /** At its end: may still change its exit code. */
  onceExit(heard: () => void): void
  setExitCode(code: number): void
  exit(code: number): never
}

type Feeds = Readonly<Record<string, number>> | NonNullable<Heartbeat['feeds']>

/** As the protocol has it, with `feeds` also as {name: time of its last tick in Unix milliseconds}. */
export interface HeartbeatFacts extends Omit<Heartbeat, 'type' | 'seq' | 'feeds'> {
  readonly feeds?: Feeds
}

type StopCallback = (signal: string) => unknown

export class MarkModule {
  readonly context: RunContext
  readonly #own: OwnProcess
  readonly #line: Line | null
  readonly #halts: HaltWatch | null
  readonly #stops: StopCallback[] = []
  readonly #activations: (() => unknown)[] = []
  #seq = 0
  #pings = 0
  #isStopping = false
  /** Set before an end that is known, so that it is told once. */
  #isClosing = false

  constructor(env: NodeJS.ProcessEnv, own: OwnProcess) {
    const context = contextOf(env)
    this.context = context
    this.#own = own
    const isOutside = context.haltFile === null && context.socket === null
    this.#halts = isOutside ? null : new HaltWatch(context.haltFile)
    this.#line = context.socket === null ? null : this.#newLine(context.socket)
    if (this.#line) own.onCrash(thrown => this.#crashed(thrown))
  }

  /** It works: whoever waits for it may start. */
  ready(): void {
    this.#say({ type: 'ready' })
  }

  /** At least every 5 s. Fields that the protocol would refuse are left out. */
  heartbeat(facts: HeartbeatFacts = {}): void {
    const { feeds, ...rest } = facts
    const listed = feeds === undefined ? {} : { feeds: feedList(feeds) }
    this.#say({ ts: Date.now(), ...rest, ...listed, type: 'heartbeat', seq: ++this.#seq })
  }

  /** It is alive, and has no more to say. */
  ping(): void {
    this.#say({ type: 'ping', id: ++this.#pings })
  }

  /** It works, but not as it should; null: no longer. */
  degraded(reason: string | null): void {
    this.#say({ type: 'degraded', reason })
  }

  /** It begins to end. Said by itself at SIGTERM and SIGINT where `onStop` is used. */
  stopping(reason?: string): void {
    this.#say({ type: 'stopping', ...(reason === undefined ? {} : { reason }) })
  }

  /** Its books agree, or not, with the exchange's. */
  reconciled(ok: boolean, detail?: string): void {
    this.#say({ type: 'reconciled', ok, ...(detail === undefined ? {} : { detail }) })
  }

  /** One sample; at most 100 names a run are kept. */
  metric(name: string, value: number, labels?: Readonly<Record<string, string>>): void {
    this.#say({ type: 'metric', name, value, ...(labels === undefined ? {} : { labels }) })
  }

  /** The last word before it ends by itself with that code. */
  closing(code: number, reason?: string): void {
    this.#isClosing = true
    this.#say({ type: 'closing', code, ...(reason === undefined ? {} : { reason }) })
  }

  /** Says why, and ends the process at once: close what must be closed before. */
  exit(code: number, reason?: string): never {
    this.closing(code, reason)
    return this.#own.exit(code)
  }

  /** From the files alone, so it is true whatever MARK does. null: none, as always outside MARK. */
  haltLevel(): ReturnType<typeof haltLevelOf> {
    return this.context.haltFile === null ? null : haltLevelOf(this.context.haltFile)
  }

  /**
   * At SIGTERM or SIGINT, once, after `stopping` was said. Handlers that were there are called as before.
   * Node does not end by itself any more then: end with `exit(EXIT.OK)` when all is closed.
   */
  onStop(callback: StopCallback): void {
    this.#stops.push(callback)
    if (this.#stops.length === 1) this.#own.onStopSignal(signal => this.#stopped(signal))
    this.#line?.start()
  }

  /** No new entries from now on. */
  onPause(callback: HaltCallbacks['pause']): void {
    this.#halts?.on('pause', callback)
    this.#line?.start()
  }

  /** Stop trading as the level says. */
  onHalt(callback: HaltCallbacks['halt']): void {
    this.#halts?.on('halt', callback)
    this.#line?.start()
  }

  /** Trading as before. */
  onResume(callback: HaltCallbacks['resume']): void {
    this.#halts?.on('resume', callback)
    this.#line?.start()
  }

  /** A standby run is the active one now. */
  onActivate(callback: () => unknown): void {
    this.#activations.push(callback)
    this.#line?.start()
  }

  /** Lets go of MARK for good, as a test does that has many modules. */
  leave(): void {
    this.#line?.end()
    this.#halts?.end()
  }

  #newLine(path: string): Line {
    const { runId } = this.context
    const hello: ModuleMessage = {
      type: 'hello',
      v: 1,
      ...(runId === null ? {} : { run_id: runId }),
      pid: this.#own.pid,
      sdk: SDK_NAME,
    }
    return new Line({ path, hello, heard: message => this.#heard(message), chance: Math.random })
  }

  #say(message: ModuleMessage): void {
    this.#line?.say(message)
  }

  #heard(message: MarkMessage): void {
    if (message.type === 'welcome') this.#halts?.say(message.halt, null)
    if (message.type === 'pause') this.#halts?.say('pause', message.reason ?? null)
    if (message.type === 'halt') this.#halts?.say(message.level, message.reason ?? null)
    if (message.type === 'resume') this.#halts?.say(null, null)
    if (message.type === 'activate') this.#callEach(this.#activations)
  }

  #stopped(signal: string): void {
    if (this.#isStopping) return
    this.#isStopping = true
    this.stopping(signal)
    this.#callEach(this.#stops.map(stop => () => stop(signal)))
  }

  /** Each on its own: what one of them throws is the module's to see, and the others are called. */
  #callEach(callbacks: readonly (() => unknown)[]): void {
    for (const callback of callbacks) void Promise.resolve().then(callback)
  }

  #crashed(thrown: unknown): void {
    const code = exitCodeOf(thrown)
    this.#say(crashOf(thrown))
    if (!this.#isClosing) this.closing(code ?? 1, thrown instanceof Error ? thrown.message : 'crashed')
    if (code !== null) this.#own.onceExit(() => this.#own.setExitCode(code))
  }
}

function feedList(feeds: Feeds): NonNullable<Heartbeat['feeds']> {
  if (Array.isArray(feeds)) return feeds as NonNullable<Heartbeat['feeds']>
  return Object.entries(feeds).map(([name, last_tick_ts]) => ({ name, last_tick_ts }))
}
