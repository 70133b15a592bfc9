/**
 * The kill switch on disk as the keeper uses it: latches, the file KILL, and halt/<module>. What cannot be
 * read counts as tripped. A disk that refuses a latch refuses no stop: the kill stands in memory, is named
 * among the troubles, and is written at the first look at which it can be.
 */
import { existsSync, rmSync } from 'node:fs'
import { MarkError } from '../core/errors.ts'
import type { ModuleSpec } from '../core/plan.ts'
import { formatUtc } from '../core/time.ts'
import type { KillView } from '../core/view.ts'
import {
  completeLatch,
  haltFile,
  type KillRecord,
  LatchWatch,
  prepareSpare,
  removeLatch,
  writeLatch,
} from './latch.ts'
import type { StateDir } from './state-dir.ts'
import type { Latches } from '../core/world.ts'

/** Who a kill is by that came from `touch .mark/KILL`: its release removes the file. */
const BY_FILE = 'the file KILL'

export class LinuxLatches implements Latches {
  readonly #state: StateDir
  readonly #mintId: () => string
  readonly #wallMs: () => number
  readonly #watch: LatchWatch
  #last: KillView[] = []
  /** What the disk refused, by id. */
  readonly #unwritten = new Map<string, KillRecord>()
  /** Unlike what is on disk, these are lost with this process. */
  get troubles(): string[] {
    return [...this.#unwritten.keys()].map(id => `state not durable: kill.latch: ${id} could not be written`)
  }

  constructor(state: StateDir, mintId: () => string, wallMs: () => number) {
    this.#state = state
    this.#watch = new LatchWatch(state.latchDir)
    this.#mintId = mintId
    this.#wallMs = wallMs
    prepareSpare(state)
  }

  read(): KillView[] {
    for (const kill of this.#unwritten.values()) this.#write(kill)
    try {
      const onDisk = this.#watch.read().kills
      const kills = [...onDisk.filter(kill => !this.#unwritten.has(kill.id)), ...this.#unwritten.values()]
      const fromFile = existsSync(this.#state.killFile) && !kills.some(kill => kill.by === BY_FILE)
      if (fromFile) kills.push(this.#tripByFile())
      this.#last = kills.map(({ note: _note, ...view }) => view)
    } catch {
      // A shortage: what was known stays true; a latch is never forgotten for want of a descriptor.
    }
    return this.#last
  }

  trip(kill: KillView): void {
    this.#write({ ...kill, note: null })
    prepareSpare(this.#state)
  }

  complete(id: string, complete: boolean, note: string): void {
    if (!complete) return
    try {
      completeLatch(this.#state, id, note)
    } catch {
      const kill = this.read().find(candidate => candidate.id === id)
      if (kill) this.#unwritten.set(id, { ...kill, complete, note })
    }
  }

  release(id: string): boolean {
    const kill = this.read().find(candidate => candidate.id === id)
    if (!kill) return false
    try {
      removeLatch(this.#state, id)
    } catch (error) {
      if (!(error instanceof MarkError)) throw error
      // Only in memory.
    }
    this.#unwritten.delete(id)
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

  #write(kill: KillRecord): void {
    try {
      writeLatch(this.#state, kill)
      this.#unwritten.delete(kill.id)
    } catch {
      this.#unwritten.set(kill.id, kill)
    }
  }

  #tripByFile(): KillRecord {
    const at = formatUtc(this.#wallMs())
    const kill: KillRecord = {
      id: `K-${this.#mintId()}`,
      level: 'halt',
      scope: 'all',
      reason: null,
      by: BY_FILE,
      at,
      complete: false,
      note: null,
    }
    this.trip(kill)
    return kill
  }
}
