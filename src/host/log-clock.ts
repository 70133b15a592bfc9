/**
 * The one look a second at the logs of live runs. Gives undated lines a time that is exact to a second, by
 * marking how far each log that grew had grown, and drives the ring. One stat a module; nothing is written
 * while nothing is logged.
 */
import { statSync } from 'node:fs'
import type { LogSpec } from '../core/plan.ts'
import { appendIndex, logicalSize } from './log-file.ts'
import { livePath } from './log-paths.ts'
import type { LogRing } from './log-ring.ts'

const TICK_MS = 1000

interface Followed {
  readonly runId: string
  sizeBytes: number
  mtimeMs: number
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

  constructor(logs: string, wallMs: () => number, options: LogClockOptions = {}) {
    this.#logs = logs
    this.#wallMs = wallMs
    this.#ring = options.ring ?? null
  }

  /** `spec`: how its log is bounded; without it, it is not while the run lives. */
  follow(module: string, runId: string, spec?: LogSpec): void {
    this.#followed.set(module, { runId, sizeBytes: -1, mtimeMs: 0 })
    if (spec) this.#ring?.follow(module, spec)
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref()
  }

  unfollow(module: string, runId: string): void {
    if (this.#followed.get(module)?.runId !== runId) return
    this.#followed.delete(module)
    this.#ring?.unfollow(module)
  }

  tick(): void {
    for (const [module, followed] of this.#followed) {
      try {
        const { size, mtimeMs } = statSync(livePath(this.#logs, module))
        if (size === followed.sizeBytes && mtimeMs === followed.mtimeMs) continue
        Object.assign(followed, { sizeBytes: size, mtimeMs })
        const offset = logicalSize(this.#logs, module)
        appendIndex(this.#logs, module, { timeMs: this.#wallMs(), offset, runId: followed.runId })
      } catch {
        // The log was removed or the disk is full: the next second tells.
      }
    }
    this.#ring?.tick()
  }

  /** Looks no more, and cuts nothing more. */
  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    this.#ring?.close()
  }
}
