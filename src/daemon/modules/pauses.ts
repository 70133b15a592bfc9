/**
 * Which modules are paused, by whom and why: by operators until they say resume, and by the ladder of stale
 * modules until the run is fresh again or ends. Durable, if it can be, before anybody is told. Knows nothing
 * of kills.
 */
import type { HaltLevel } from '../../contract/module.ts'
import { formatUtc } from '../../core/time.ts'
import { haltFile } from '../../host/latch.ts'
import {
  type PauseRecord,
  type PauseSource,
  readPauses,
  removePause,
  writePause,
} from '../../host/pause-files.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { Halt } from './halt-level.ts'

export interface PausesDeps {
  readonly state: StateDir
  readonly wallMs: () => number
  readonly say: (line: string) => void
  /** What the kills say of a module: its halt file holds the strictest. */
  readonly killLevel: (module: string) => HaltLevel | null
  readonly changed: (
    kind: 'paused' | 'resumed',
    module: string,
    runId: string | null,
    by: string,
    reason: string,
  ) => void
}

export class Pauses {
  readonly #deps: PausesDeps
  readonly #records = new Map<string, PauseRecord>()

  constructor(deps: PausesDeps) {
    this.#deps = deps
    try {
      for (const record of readPauses(deps.state)) {
        this.#records.set(keyOf(record.module, record.source), record)
      }
    } catch (error) {
      deps.say(`pauses cannot be read; the halt files still hold: ${(error as Error).message}`)
    }
  }

  /** A disk that refuses it refuses no pause: then it lasts as long as this daemon, which says so. */
  pause(source: PauseSource, given: Pick<PauseRecord, 'module' | 'by' | 'reason' | 'run_id'>): void {
    const { module, by, reason, run_id } = given
    const record = { source, module, by, reason, run_id, at: formatUtc(this.#deps.wallMs()) }
    this.#durably(module, () => writePause(this.#deps.state, record))
    this.#records.set(keyOf(module, source), record)
    this.#passOn(module)
    this.#deps.changed('paused', module, run_id, by, reason ?? '')
  }

  /** False: it was not paused so. */
  resume(source: PauseSource, module: string, by: string, reason: string): boolean {
    const record = this.#records.get(keyOf(module, source))
    if (record === undefined) return false
    this.#durably(module, () => removePause(this.#deps.state, module, source))
    this.#records.delete(keyOf(module, source))
    this.#passOn(module)
    this.#deps.changed('resumed', module, record.run_id, by, reason)
    return true
  }

  /** A pause of the ladder ends with its run. */
  runIs(module: string, runId: string | null): void {
    const record = this.#records.get(keyOf(module, 'stale'))
    if (record === undefined || record.run_id === runId) return
    this.resume('stale', module, 'mark', 'the run that was stale has ended')
  }

  byOperator(module: string): Halt | null {
    return haltOf(this.#records.get(keyOf(module, 'operator')))
  }

  byLadder(module: string): Halt | null {
    return haltOf(this.#records.get(keyOf(module, 'stale')))
  }

  /** Whether the ladder paused this run. */
  wasStale(module: string, runId: string): boolean {
    return this.#records.get(keyOf(module, 'stale'))?.run_id === runId
  }

  #passOn(module: string): void {
    this.#durably(module, () => haltFile(this.#deps.state, module, this.#deps.killLevel(module)))
  }

  #durably(module: string, write: () => unknown): void {
    try {
      write()
    } catch (error) {
      this.#deps.say(`state not durable: the pause of ${module}: ${(error as Error).message}`)
    }
  }
}

function haltOf(record: PauseRecord | undefined): Halt | null {
  if (record === undefined) return null
  const why = record.reason === null ? '' : `: ${record.reason}`
  return { level: 'pause', reason: `paused by ${record.by}${why}` }
}

function keyOf(module: string, source: PauseSource): string {
  return `${module}.${source}`
}
