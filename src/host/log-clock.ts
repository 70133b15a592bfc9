/**
 * Gives undated log lines a time that is exact to a second: once a second it marks, for each live run whose
 * log grew, how far it had grown. One stat a module; nothing is written while nothing is logged.
 */
import { statSync } from 'node:fs'
import { appendIndex, livePath, logicalSize } from './log-file.ts'

const TICK_MS = 1000

interface Followed {
  readonly runId: string
  sizeBytes: number
}

export class LogClock {
  readonly #logs: string
  readonly #wallMs: () => number
  readonly #followed = new Map<string, Followed>()
  #timer: NodeJS.Timeout | null = null

  constructor(logs: string, wallMs: () => number) {
    this.#logs = logs
    this.#wallMs = wallMs
  }

  follow(module: string, runId: string): void {
    this.#followed.set(module, { runId, sizeBytes: -1 })
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref()
  }

  unfollow(module: string, runId: string): void {
    if (this.#followed.get(module)?.runId === runId) this.#followed.delete(module)
  }

  tick(): void {
    for (const [module, followed] of this.#followed) {
      try {
        const { size } = statSync(livePath(this.#logs, module))
        if (size === followed.sizeBytes) continue
        followed.sizeBytes = size
        const offset = logicalSize(this.#logs, module)
        appendIndex(this.#logs, module, { timeMs: this.#wallMs(), offset, runId: followed.runId })
      } catch {
        // The log was removed or the disk is full: the next second tells.
      }
    }
  }
}
