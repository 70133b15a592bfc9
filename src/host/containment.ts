/**
 * Everything a run ever started: known by its tag and its traces in /proc (process-tree.ts), and for a run
 * with limits by its control group too. Made before the start, ended as a whole, never outlived: a run is
 * over only when nothing of it is left by either account.
 */
import type { Exit } from '../core/exit.ts'
import type { LimitSpec } from '../core/plan.ts'
import { Cgroups } from './cgroup.ts'
import type { Libc } from './libc.ts'
import { killSurvivors, type RunIdentity, type SurvivorOptions, survivors } from './process-tree.ts'
import type { Refusal } from './program-path.ts'
import { isShortage } from './shortage.ts'

/** How long after its start groups of an earlier keeper's dead runs are removed. */
const LEFTOVERS_AFTER_MS = 1000

export class Containment {
  readonly #libc: Libc | null
  readonly #key: string
  readonly #limited = new Set<string>()
  #groups: Cgroups | null = null
  /** Limits that this host cannot keep, each a sentence. */
  readonly missing = new Set<string>()

  /** `key` tells fleets of one host apart: letters and digits. */
  constructor(libc: Libc | null, key: string) {
    this.#libc = libc
    this.#key = key
  }

  /** The groups that a run has to join before it is the module; none without limits. */
  prepare(runId: string, module: string, limits: LimitSpec): { ok: true; join: readonly string[] } | Refusal {
    const { memoryBytes, cpus, pids } = limits
    if (memoryBytes === null && cpus === null && pids === null) return { ok: true, join: [] }
    const made = this.#open().make(runId, { memoryBytes, cpus, pids })
    if (!made.ok) return made
    if (made.missing.length > 0)
      this.missing.add(`${module}: this host cannot limit ${made.missing.join(' and ')} (mark doctor)`)
    this.#limited.add(runId)
    return { ok: true, join: made.join }
  }

  /** A run that an earlier keeper started. */
  adopt(runId: string, pid: number): void {
    try {
      if (this.#open().adopt(runId, pid)) this.#limited.add(runId)
    } catch {
      // Not an id of ours: it has no groups either.
    }
  }

  /** Later, when all runs are adopted: what is left of others goes. */
  removeLeftovers(isLive: (runId: string) => boolean): void {
    setTimeout(() => {
      for (const runId of this.#open().list()) {
        if (!isLive(runId) && this.#open().kill(runId)) this.#open().remove(runId)
      }
    }, LEFTOVERS_AFTER_MS).unref()
  }

  /** Live processes of the run but its main one; null: the host was too short of something to look. */
  remains(run: RunIdentity, options: SurvivorOptions): number[] | null {
    try {
      const found = survivors(run, options)
      if (!this.#limited.has(run.runId)) return found
      const grouped = this.#open().pids(run.runId)
      if (grouped === null) return null
      return [...new Set([...found, ...grouped.filter(pid => pid !== run.pid)])]
    } catch {
      return null
    }
  }

  /**
   * Signals those that `remains` named; with SIGKILL the whole group too. In a shortage some may be left: the
   * next look names them again.
   */
  end(runId: string, pids: readonly number[], signal: NodeJS.Signals): void {
    try {
      if (signal === 'SIGKILL' && this.#limited.has(runId)) this.#open().kill(runId)
      killSurvivors(pids, signal, this.#libc)
    } catch (error) {
      if (!isShortage(error)) throw error
    }
  }

  /** The exit with what the group tells of it: was it for want of memory? */
  explain(runId: string, exit: Exit): Exit {
    if (!this.#limited.has(runId)) return exit
    return { ...exit, oom: this.#open().oom(runId) }
  }

  /** The run is over. */
  forget(runId: string): void {
    if (!this.#limited.delete(runId)) return
    // A group may be busy for a moment after its last process ended.
    if (!this.#open().remove(runId)) setTimeout(() => this.#open().remove(runId), LEFTOVERS_AFTER_MS).unref()
  }

  close(): void {
    this.#groups?.close()
  }

  #open(): Cgroups {
    this.#groups ??= Cgroups.open({ key: this.#key, libc: this.#libc })
    return this.#groups
  }
}
