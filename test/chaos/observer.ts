/**
 * Watches one fleet through /proc: every process of it, from when to when it lived, whether a module ever ran
 * twice, and when nobody could have seen an exit. Never asks MARK anything and never signals.
 */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  allPids,
  argvOf,
  environOf,
  holderOf,
  isListening,
  isLive,
  pidfdTargets,
  type Stat,
  statOf,
} from './proc.ts'

/** `helper`: a process of a module that is not its main one. */
export type Role = 'module' | 'helper' | 'keeper' | 'daemon' | 'waiting' | 'other'

export interface Seen {
  readonly role: Role
  /** `@daemon` for the daemon, '' for what has no name. */
  readonly module: string
  readonly pid: number
  readonly start: number
  readonly runId: string | null
  readonly firstMs: number
  lastMs: number
  /** First look at which it was gone; null while it lives. */
  goneMs: number | null
}

export interface Look {
  readonly atMs: number
  readonly modules: ReadonlyMap<string, readonly Seen[]>
  /** Holds keeper.lock. */
  readonly keeper: Seen | null
  /** The keeper answers on its socket, so it has adopted. */
  readonly keeperServes: boolean
  readonly daemon: Seen | null
  /** The daemon holds a pidfd of a module, so it can tell how that ends. */
  readonly daemonWitnesses: boolean
  /** `flock ... keeper.lock ...` that waits for the lock. */
  readonly waiting: readonly Seen[]
}

export interface Span {
  readonly fromMs: number
  toMs: number
}

/** A process that is none of ours may still become ours by an exec for this long. */
const YOUNG_MS = 2000
const STRANGERS_EVERY_MS = 1000

export class Observer {
  readonly stateDir: string
  readonly modules: readonly string[]
  /** Every module and daemon process ever seen. */
  readonly history: Seen[] = []
  readonly doubled: string[] = []
  /** Longest time without a live process, by module, ms. */
  readonly longestGap = new Map<string, number>()
  readonly blind = { keeper: [] as Span[], daemon: [] as Span[] }
  looks = 0
  readonly #known = new Map<number, Seen>()
  #strangersMs = 0
  #lastSeenMs = new Map<string, number>()
  #timer: NodeJS.Timeout | null = null

  constructor(stateDir: string, modules: readonly string[]) {
    this.stateDir = stateDir
    this.modules = modules
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => this.look(), everyMs)
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  /** One look at everything. */
  look(): Look {
    const atMs = Date.now()
    this.looks++
    const all = this.#scan(atMs)
    const modules = new Map(
      this.modules.map(name => [name, all.filter(seen => seen.role === 'module' && seen.module === name)]),
    )
    for (const [name, runs] of modules) this.#judge(name, runs, atMs)
    const marks = all.filter(seen => /keeper|daemon|waiting/.test(seen.role))
    const holder = holderOf(join(this.stateDir, 'keeper.lock'), new Set(marks.map(seen => seen.pid)))
    const keeper = marks.find(seen => seen.pid === holder) ?? null
    const daemon = marks.find(seen => seen.role === 'daemon' && seen.runId !== null) ?? null
    const keeperServes = keeper !== null && isListening(this.#socket('keeper.sock'))
    const daemonWitnesses = daemon !== null && this.#witnesses(daemon, all)
    this.#sight(this.blind.keeper, keeperServes, atMs)
    this.#sight(this.blind.daemon, daemonWitnesses, atMs)
    const waiting = marks.filter(seen => seen.role === 'waiting' && seen !== keeper)
    return { atMs, modules, keeper, keeperServes, daemon, daemonWitnesses, waiting }
  }

  /** Every live process of this fleet, whatever it is. */
  everything(): Seen[] {
    this.#strangersMs = 0
    return this.#scan(Date.now())
  }

  #socket(name: string): string {
    try {
      return join(readlinkSync(join(this.stateDir, 'run')), name)
    } catch {
      return '\0'
    }
  }

  #witnesses(daemon: Seen, all: readonly Seen[]): boolean {
    const held = pidfdTargets(daemon.pid)
    return all.some(seen => seen.role === 'module' && held.has(seen.pid))
  }

  #sight(spans: Span[], sees: boolean, atMs: number): void {
    const last = spans.at(-1)
    const open = last !== undefined && last.toMs === Number.POSITIVE_INFINITY
    if (!sees && !open) spans.push({ fromMs: atMs, toMs: Number.POSITIVE_INFINITY })
    if (sees && open) last.toMs = atMs
  }

  #judge(name: string, runs: readonly Seen[], atMs: number): void {
    const gap = atMs - (this.#lastSeenMs.get(name) ?? atMs)
    this.longestGap.set(name, Math.max(gap, this.longestGap.get(name) ?? 0))
    if (runs.length > 0 || !this.#lastSeenMs.has(name)) this.#lastSeenMs.set(name, atMs)
    if (runs.length < 2) return
    // The first may have died while the others were read: only what all live at one instant is doubled.
    const together = runs.filter(run => isSame(statOf(run.pid), run))
    if (together.length > 1)
      this.doubled.push(`${name} at ${atMs}: ${together.map(run => `${run.pid} (${run.runId})`).join(', ')}`)
  }

  #scan(atMs: number): Seen[] {
    const strangersToo = atMs - this.#strangersMs >= STRANGERS_EVERY_MS
    if (strangersToo) this.#strangersMs = atMs
    const present = new Set(allPids())
    for (const [pid, seen] of this.#known) if (!present.has(pid)) this.#forget(pid, seen, atMs)
    const live: Seen[] = []
    for (const pid of present) {
      const known = this.#known.get(pid)
      if (known?.role === 'other' && !strangersToo && atMs - known.firstMs > YOUNG_MS) continue
      const stat = statOf(pid)
      const seen = isLive(stat) ? this.#identify(stat, known, atMs) : null
      if (known && known !== seen) this.#forget(pid, known, atMs)
      if (seen === null) continue
      this.#known.set(pid, seen)
      seen.lastMs = atMs
      if (seen.role !== 'other') live.push(seen)
    }
    return live
  }

  #identify(stat: Stat, known: Seen | undefined, atMs: number): Seen {
    const same = known?.start === stat.start ? known : undefined
    if (same && (same.role === 'module' || (same.role === 'other' && atMs - same.firstMs > YOUNG_MS)))
      return same
    const found = this.#classify(stat)
    if (same && same.role === found.role && same.runId === found.runId) return same
    const seen: Seen = {
      ...found,
      pid: stat.pid,
      start: stat.start,
      firstMs: atMs,
      lastMs: atMs,
      goneMs: null,
    }
    if (found.role === 'module' || (found.role === 'daemon' && found.runId !== null)) this.history.push(seen)
    return seen
  }

  #classify(stat: Stat): Pick<Seen, 'role' | 'module' | 'runId'> {
    const argv = argvOf(stat.pid)
    const lock = join(this.stateDir, 'keeper.lock')
    if (/(?:^|\/)flock$/.test(argv[0] ?? '') && argv.includes(lock))
      return { role: 'waiting', module: '', runId: null }
    const environ = environOf(stat.pid)
    const runId = environ.get('MARK_RUN_ID') ?? null
    if (argv.includes('--state-dir') && argv.includes(this.stateDir)) {
      const isDaemon = argv.some(word => /daemon\/main\.[tj]s$/.test(word))
      return { role: isDaemon ? 'daemon' : 'keeper', module: isDaemon ? '@daemon' : '', runId }
    }
    const module = environ.get('MARK_MODULE') ?? ''
    const ours = module !== '' && environ.get('MARK_STATE_DIR') === join(this.stateDir, 'state', module)
    // A session leader with a run's id is a main process; hooks and probes have none.
    if (ours && runId !== null && stat.session === stat.pid) return { role: 'module', module, runId }
    return { role: ours ? 'helper' : 'other', module, runId }
  }

  #forget(pid: number, seen: Seen, atMs: number): void {
    seen.goneMs ??= atMs
    if (this.#known.get(pid) === seen) this.#known.delete(pid)
  }
}

export function isSame(stat: Stat | null, seen: Pick<Seen, 'start'>): boolean {
  return isLive(stat) && stat.start === seen.start
}
