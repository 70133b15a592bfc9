/**
 * The kill switch on disk as the keeper uses it: latches, the file KILL, and halt/<module>. What cannot be
 * read counts as tripped.
 */
import { existsSync, rmSync } from 'node:fs'
import type { ModuleSpec } from '../core/plan.ts'
import { formatUtc } from '../core/time.ts'
import type { KillView } from '../core/view.ts'
import { completeLatch, haltFile, prepareSpare, readLatches, removeLatch, writeLatch } from './latch.ts'
import type { StateDir } from './state-dir.ts'
import type { Latches } from '../core/world.ts'

/** Who a kill is by that came from `touch .mark/KILL`: its release removes the file. */
const BY_FILE = 'the file KILL'

export class LinuxLatches implements Latches {
  readonly #state: StateDir
  readonly #mintId: () => string
  readonly #wallMs: () => number
  #last: KillView[] = []

  constructor(state: StateDir, mintId: () => string, wallMs: () => number) {
    this.#state = state
    this.#mintId = mintId
    this.#wallMs = wallMs
    prepareSpare(state)
  }

  read(): KillView[] {
    try {
      const kills = readLatches(this.#state.latchDir).kills
      const fromFile = existsSync(this.#state.killFile) && !kills.some(kill => kill.by === BY_FILE)
      if (fromFile) kills.push({ ...this.#tripByFile(), note: null })
      this.#last = kills.map(({ note: _note, ...view }) => view)
    } catch {
      // A shortage: what was known stays true; a latch is never forgotten for want of a descriptor.
    }
    return this.#last
  }

  trip(kill: KillView): void {
    writeLatch(this.#state, { ...kill, note: null })
    prepareSpare(this.#state)
  }

  complete(id: string, complete: boolean, note: string): void {
    if (complete) completeLatch(this.#state, id, note)
  }

  release(id: string): boolean {
    const kill = this.read().find(candidate => candidate.id === id)
    if (!kill) return false
    removeLatch(this.#state, id)
    if (kill.by === BY_FILE) rmSync(this.#state.killFile, { force: true, recursive: true })
    return true
  }

  halt(spec: ModuleSpec, level: KillView['level'] | null): void {
    try {
      haltFile(this.#state, spec.name, level)
    } catch {
      // A full disk must not stop a stop: the latch itself is durable.
    }
  }

  #tripByFile(): KillView {
    const at = formatUtc(this.#wallMs())
    const kill: KillView = {
      id: `K-${this.#mintId()}`,
      level: 'halt',
      scope: 'all',
      reason: null,
      by: BY_FILE,
      at,
      complete: false,
    }
    this.trip(kill)
    return kill
  }
}
