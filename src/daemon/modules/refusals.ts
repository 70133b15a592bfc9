/**
 * Who was refused at a module's socket: counted, and told for a while. Bounded: one entry a module. Never
 * holds anything that the other side said.
 */
import { Allowance } from './allowance.ts'

export interface Refused {
  readonly count: number
  readonly reason: string
  readonly atMs: number
}

const TOLD_MS = 600_000
const SAY_EVERY_MS = 10_000
const RECORDED_AT_ONCE = 10
const RECORD_EVERY_MS = 60_000

export class Refusals {
  readonly #nowMs: () => number
  readonly #say: (line: string) => void
  readonly #record: (module: string, reason: string, count: number) => void
  readonly #byModule = new Map<string, Refused>()
  readonly #saidMs = new Map<string, number>()
  readonly #recorded = new Allowance(RECORDED_AT_ONCE, RECORD_EVERY_MS)

  /** `nowMs`: monotonic. `record`: for the journal, the first few and then one a minute. */
  constructor(
    nowMs: () => number,
    say: (line: string) => void,
    record: (module: string, reason: string, count: number) => void,
  ) {
    this.#nowMs = nowMs
    this.#say = say
    this.#record = record
  }

  note(module: string, reason: string): void {
    const atMs = this.#nowMs()
    const count = (this.#byModule.get(module)?.count ?? 0) + 1
    this.#byModule.set(module, { count, reason, atMs })
    if (this.#recorded.takes(module, atMs)) this.#record(module, reason, count)
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
      this.#recorded.forget(module)
    }
  }
}
