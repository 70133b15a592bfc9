/**
 * Uptime of the last 30 days per module, ready to be shown: asked from the archive when a module's events
 * changed and otherwise carried on in time. What the archive does not tell stays null.
 */
import { type Uptime, uptimePercent } from '../../core/uptime.ts'
import type { Clock } from '../../host/clock.ts'

export type UptimeQuery = (query: {
  modules: readonly string[]
  fromMs: number
  toMs: number
}) => Promise<Record<string, Uptime>>

const WINDOW_MS = 30 * 86_400_000
/** Events come in bursts: a module is asked about at most this often. */
const GATHER_MS = 1000
/** The window moves: everything is asked again after this. */
const STALE_MS = 3_600_000
const CHUNK = 50

export class UptimeBook {
  readonly #clock: Clock
  readonly #query: UptimeQuery
  readonly #known = new Map<string, Uptime>()
  readonly #due = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #asking = false
  #closed = false

  constructor(clock: Clock, query: UptimeQuery) {
    this.#clock = clock
    this.#query = query
  }

  /** These modules' events changed. */
  touch(modules: Iterable<string>): void {
    for (const module of modules) this.#due.add(module)
    this.#arm(GATHER_MS)
  }

  /** Modules that are not there any more are forgotten. */
  keepOnly(modules: ReadonlySet<string>): void {
    for (const module of this.#known.keys()) if (!modules.has(module)) this.#known.delete(module)
    for (const module of this.#due) if (!modules.has(module)) this.#due.delete(module)
  }

  percent(module: string): number | null {
    const uptime = this.#known.get(module)
    if (!uptime) return null
    const now = this.#clock.now().wallMs
    if (now - uptime.untilMs > STALE_MS && !this.#due.has(module)) this.touch([module])
    return uptimePercent(uptime, now)
  }

  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
  }

  #arm(delayMs: number): void {
    if (this.#closed || this.#timer || this.#asking || this.#due.size === 0) return
    this.#timer = setTimeout(() => void this.#ask(), delayMs)
    this.#timer.unref()
  }

  async #ask(): Promise<void> {
    this.#timer = null
    this.#asking = true
    const modules = [...this.#due].slice(0, CHUNK)
    for (const module of modules) this.#due.delete(module)
    const toMs = this.#clock.now().wallMs
    let waitMs = GATHER_MS
    try {
      const found = await this.#query({ modules, fromMs: toMs - WINDOW_MS, toMs })
      for (const [module, uptime] of Object.entries(found)) this.#known.set(module, uptime)
    } catch {
      for (const module of modules) this.#due.add(module)
      waitMs = 30 * GATHER_MS
    }
    this.#asking = false
    this.#arm(waitMs)
  }
}
