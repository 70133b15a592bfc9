/**
 * The newest samples of one run in one block of memory that never grows: time, CPU, memory. Makes no garbage
 * when a sample is added.
 */
export const RING_SAMPLES = 60

export interface ResourceSample {
  /** Unix milliseconds. */
  readonly wallMs: number
  readonly cpuPercent: number | null
  readonly memoryBytes: number
}

const FIELDS = 3

export class SampleRing {
  readonly #values = new Float64Array(RING_SAMPLES * FIELDS)
  #added = 0

  add(wallMs: number, cpuPercent: number | null, memoryBytes: number): void {
    const at = (this.#added++ % RING_SAMPLES) * FIELDS
    this.#values[at] = wallMs
    this.#values[at + 1] = cpuPercent ?? Number.NaN
    this.#values[at + 2] = memoryBytes
  }

  newest(): ResourceSample | null {
    return this.#added === 0 ? null : this.#sample(this.#added - 1)
  }

  /** Oldest first. */
  all(): ResourceSample[] {
    const samples: ResourceSample[] = []
    for (let n = Math.max(0, this.#added - RING_SAMPLES); n < this.#added; n++) samples.push(this.#sample(n))
    return samples
  }

  #sample(number: number): ResourceSample {
    const at = (number % RING_SAMPLES) * FIELDS
    const cpu = this.#values[at + 1] as number
    return {
      wallMs: this.#values[at] as number,
      cpuPercent: Number.isNaN(cpu) ? null : cpu,
      memoryBytes: this.#values[at + 2] as number,
    }
  }
}
