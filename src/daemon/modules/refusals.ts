/**
 * Who was refused at a module's socket: counted, and told for a while. Bounded: one entry a module. Never
 * holds anything that the other side said.
 */
export interface Refused {
  readonly count: number
  readonly reason: string
  readonly atMs: number
}

const TOLD_MS = 600_000
const SAY_EVERY_MS = 10_000

export class Refusals {
  readonly #nowMs: () => number
  readonly #say: (line: string) => void
  readonly #byModule = new Map<string, Refused>()
  readonly #saidMs = new Map<string, number>()

  /** `nowMs`: monotonic. */
  constructor(nowMs: () => number, say: (line: string) => void) {
    this.#nowMs = nowMs
    this.#say = say
  }

  note(module: string, reason: string): void {
    const atMs = this.#nowMs()
    const count = (this.#byModule.get(module)?.count ?? 0) + 1
    this.#byModule.set(module, { count, reason, atMs })
    if (atMs - (this.#saidMs.get(module) ?? Number.NEGATIVE_INFINITY) < SAY_EVERY_MS) return
    this.#saidMs.set(module, atMs)
    this.#say(`refused a speaker at the socket of ${module} (${count} so far): ${reason}`)
  }

  /** A sentence for each module at whose socket somebody was refused in the last ten minutes. */
  notes(): string[] {
    const sinceMs = this.#nowMs() - TOLD_MS
    return [...this.#byModule]
      .filter(([, refused]) => refused.atMs >= sinceMs)
      .map(([module, { count, reason }]) => `${count} refused at the socket of ${module}: ${reason}`)
  }

  keepOnly(modules: ReadonlySet<string>): void {
    for (const module of [...this.#byModule.keys()]) {
      if (modules.has(module)) continue
      this.#byModule.delete(module)
      this.#saidMs.delete(module)
    }
  }
}
