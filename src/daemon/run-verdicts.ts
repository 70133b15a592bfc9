/**
 * One health of a run out of what several watchers found: the worst counts. The keeper is told when it
 * changes, and everything again after the link was down. Readiness passes through.
 */
import type { Health } from '../core/view.ts'

export type Found = 'ready' | 'unready' | Health
export type Watcher = 'probe' | 'heartbeat'

interface Finding {
  readonly health: Health
  readonly reason: string
}

interface Run {
  readonly found: Map<Watcher, Finding>
  told: Health | null
}

const BADNESS: Readonly<Record<Health, number>> = { unknown: 0, healthy: 1, stale: 2, unhealthy: 3 }

export class RunVerdicts {
  readonly #tell: (module: string, runId: string, found: Found, reason: string) => void
  readonly #runs = new Map<string, Run>()

  constructor(tell: (module: string, runId: string, found: Found, reason: string) => void) {
    this.#tell = tell
  }

  found(watcher: Watcher, module: string, runId: string, found: Found, reason: string): void {
    if (found === 'ready' || found === 'unready') {
      this.#tell(module, runId, found, reason)
      return
    }
    const run: Run = this.#runs.get(runId) ?? { found: new Map<Watcher, Finding>(), told: null }
    this.#runs.set(runId, run)
    run.found.set(watcher, { health: found, reason })
    const worst = [...run.found.values()].reduce((a, b) => (BADNESS[b.health] > BADNESS[a.health] ? b : a))
    if (worst.health === run.told) return
    run.told = worst.health
    this.#tell(module, runId, worst.health, worst.reason)
  }

  /** The link is new: every watcher tells again what it knows. */
  reset(): void {
    this.#runs.clear()
  }

  forget(runId: string): void {
    this.#runs.delete(runId)
  }
}
