/**
 * The logs of live runs while they are written to: times for their undated lines, the ring that keeps them
 * within bounds, and the child that compresses what was cut off. Nothing here can fail a run.
 */
import type { LogSpec } from '../core/plan.ts'
import { LogClock } from './log-clock.ts'
import type { DroppedLog } from './log-cut.ts'
import { appendIndex, type IndexEntry } from './log-file.ts'
import { LogPress } from './log-press.ts'
import { LogRing } from './log-ring.ts'
import type { Libc } from './libc.ts'

export interface RunLogsGiven {
  readonly logs: string
  readonly libc: Libc | null
  readonly monoMs: () => number
  readonly wallMs: () => number
  /** retention.logs of the plan; null: there is no plan. */
  readonly retentionMs: () => number | null
  /** A full disk cost the oldest of a log. */
  readonly onDropped: (module: string, dropped: DroppedLog) => void
}

export class RunLogs {
  readonly #clock: LogClock
  readonly #ring: LogRing
  readonly #logs: string
  readonly #marks: { readonly module: string; readonly entry: IndexEntry }[] = []
  /** Why a log is not kept within its bounds now, by module. */
  readonly #troubles = new Map<string, string>()

  constructor({ logs, libc, monoMs, wallMs, retentionMs, onDropped }: RunLogsGiven) {
    const press = new LogPress({ logs, monoMs, report: why => this.#told('archives', why) })
    this.#logs = logs
    this.#ring = new LogRing(logs, {
      calls: libc,
      monoMs,
      wallMs,
      retentionMs,
      press,
      onDropped,
      onTrouble: (module, why) => this.#told(module, why),
    })
    this.#clock = new LogClock(logs, wallMs, { ring: this.#ring })
  }

  /** A new run's, an adopted one's, or the same with other bounds. */
  follow(module: string, runId: string, spec: LogSpec): void {
    this.#clock.follow(module, runId, spec)
  }

  /** An adopted run's: it was written to while nobody kept it. */
  takeOver(module: string, runId: string, spec: LogSpec): void {
    this.follow(module, runId, spec)
    this.#clock.lookSoon()
  }

  unfollow(module: string, runId: string): void {
    this.#clock.unfollow(module, runId)
  }

  /** See LogRing.restingBase: with it a start and an end need one look at the file. */
  restingBase(module: string): number | null {
    return this.#ring.restingBase(module)
  }

  /** Marks in the index how far the log had grown; after this turn, so that no start waits for it. */
  mark(module: string, entry: IndexEntry): void {
    if (this.#marks.push({ module, entry }) === 1) setImmediate(() => this.#writeMarks())
  }

  troubles(): string[] {
    return [...this.#troubles].map(([module, why]) => `log of ${module}: ${why}`)
  }

  close(): void {
    this.#writeMarks()
    this.#clock.close()
  }

  /** On a full disk the times of undated lines are less exact, and no more. */
  #writeMarks(): void {
    for (const { module, entry } of this.#marks.splice(0)) {
      try {
        appendIndex(this.#logs, module, entry)
      } catch {}
    }
  }

  #told(module: string, why: string | null): void {
    if (why === null) this.#troubles.delete(module)
    else this.#troubles.set(module, why)
  }
}
