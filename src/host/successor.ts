/**
 * The armed successor: `flock -F keeper.lock keeper`, waiting in the kernel in a session of its own. When
 * this keeper dies, of anything, the kernel starts it. Re-armed when it is killed; disarmed before the keeper
 * leaves on purpose.
 */
import { type Launched, launchDetached } from './launch.ts'

const REARM_MS = 100

export class Successor {
  readonly #argv: readonly [string, ...string[]]
  readonly #options: Parameters<typeof launchDetached>[1]
  #launched: Launched | null = null
  #armed = false

  constructor(argv: readonly [string, ...string[]], options: Parameters<typeof launchDetached>[1]) {
    this.#argv = argv
    this.#options = options
  }

  /** The waiting process: no sweep may take it for somebody's orphan. */
  get pids(): readonly number[] {
    return this.#launched?.pid == null ? [] : [this.#launched.pid]
  }

  arm(): void {
    this.#armed = true
    this.#launch()
  }

  /** Kills the waiting process: it is our own unreaped child, so its pid is its own. */
  disarm(): void {
    this.#armed = false
    const [pid] = this.pids
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    this.#launched = null
  }

  #launch(): void {
    const launched = launchDetached(this.#argv, this.#options)
    this.#launched = launched
    void launched.ended.then(() => {
      if (this.#launched !== launched) return
      this.#launched = null
      if (this.#armed)
        setTimeout(() => this.#armed && this.#launched === null && this.#launch(), REARM_MS).unref()
    })
  }
}
