/**
 * Two small facts per run that come from different places: where its output begins in the log, and the
 * fingerprint of its exit. Bounded; what it does not know it asks the archive for, or does not know.
 */
import type { FleetEvent } from '../core/view.ts'

const STARTS_KEPT = 5000
const FINGERPRINTS_KEPT = 5000

export class RunBook {
  readonly #ask: (runId: string) => Promise<number | null>
  readonly #starts = new Map<string, number>()
  readonly #fingerprints = new Map<string, string | null>()

  constructor(ask: (runId: string) => Promise<number | null>) {
    this.#ask = ask
  }

  note(event: FleetEvent): void {
    const offset = event.data.log_offset
    if (event.kind !== 'started' || event.run_id === null || typeof offset !== 'number') return
    keep(this.#starts, event.run_id, offset, STARTS_KEPT)
  }

  /** Logical offset of the run's first byte; null when nobody knows it. */
  async startOf(runId: string): Promise<number | null> {
    return this.#starts.get(runId) ?? (await this.#ask(runId))
  }

  learn(runId: string, fingerprint: string | null): void {
    keep(this.#fingerprints, runId, fingerprint, FINGERPRINTS_KEPT)
  }

  fingerprint(runId: string): string | null {
    return this.#fingerprints.get(runId) ?? null
  }
}

function keep<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) map.delete(map.keys().next().value as string)
}
