/**
 * The one look a second at the logs of live runs. Gives undated lines a time that is exact to a second, by
 * marking how far each log that grew had grown, and drives the ring. One stat a module; nothing is written
 * while nothing is logged.
 */
import { type Stats, statSync } from 'node:fs'
import type { LogSpec } from '../core/plan.ts'
import { appendIndex, logicalSize } from './log-file.ts'
import { livePath } from './log-paths.ts'
import type { LogRing } from './log-ring.ts'

const TICK_MS = 1000
/** Long enough for a keeper that takes over to answer first. */
const SOON_MS = 50
/** A log that said nothing for so many looks is looked at in one of five. */
const QUIET_LOOKS = 30
const QUIET_EVERY = 5

interface Followed {
  readonly runId: string
  sizeBytes: number
  mtimeMs: number
  /** Looks at which it had not grown, in a row. */
  quiet: number
}

export interface LogClockOptions {
  /** Keeps the logs within bounds; absent: they are renamed at the next run. */
  readonly ring?: LogRing
}

export class LogClock {
  readonly #logs: string
  readonly #wallMs: () => number
  readonly #ring: LogRing | null
  readonly #followed = new Map<string, Followed>()
  #timer: NodeJS.Timeout | null = null
  #soon: NodeJS.Timeout | null = null
  #round = 0

  constructor(logs: string, wallMs: () => number, options: LogClockOptions = {}) {
    this.#logs = logs
    this.#wallMs = wallMs
    this.#ring = options.ring ?? null
  }

  /** `spec`: how its log is bounded; without it, it is not while the run lives. */
  follow(module: string, runId: string, spec?: LogSpec): void {
    this.#followed.set(module, { runId, sizeBytes: -1, mtimeMs: 0, quiet: 0 })
    if (spec) this.#ring?.follow(module, spec)
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref()
  }

  /** Of logs that nobody looked at for a while: a second more of them would take a processor for a second. */
  lookSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = null
      this.tick()
    }, SOON_MS).unref()
  }

  unfollow(module: string, runId: string): void {
    if (this.#followed.get(module)?.runId !== runId) return
    this.#followed.delete(module)
    this.#ring?.unfollow(module)
  }

  tick(): void {
    const stats = new Map<string, Stats>()
    this.#round++
    for (const [module, followed] of this.#followed) {
      if (followed.quiet > QUIET_LOOKS && this.#round % QUIET_EVERY !== 0) continue
      const stat = statSync(livePath(this.#logs, module), { throwIfNoEntry: false })
      if (stat === undefined) continue
      stats.set(module, stat)
      this.#mark(module, followed, stat)
    }
    this.#ring?.tick(stats)
  }

  #mark(module: string, followed: Followed, { size, mtimeMs }: Stats): void {
    const isSame = size === followed.sizeBytes && mtimeMs === followed.mtimeMs
    const wasQuiet = followed.quiet > QUIET_LOOKS
    followed.quiet = isSame ? followed.quiet + 1 : 0
    if (isSame) return
    Object.assign(followed, { sizeBytes: size, mtimeMs })
    // Seldom looked at, the file itself knows better when it grew.
    const timeMs = wasQuiet ? Math.min(mtimeMs, this.#wallMs()) : this.#wallMs()
    try {
      const offset = logicalSize(this.#logs, module)
      appendIndex(this.#logs, module, { timeMs, offset, runId: followed.runId })
    } catch {
      // The log was removed or the disk is full: the next second tells.
    }
  }

  /** Looks no more, and cuts nothing more. */
  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    if (this.#soon) clearTimeout(this.#soon)
    this.#timer = null
    this.#ring?.close()
  }
}
