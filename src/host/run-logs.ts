/**
 * The logs of live runs while they are written to: times for their undated lines, the ring that keeps them
 * within bounds, and the child that compresses what was cut off. Nothing here can fail a run.
 */
import type { LogSpec } from '../core/plan.ts'
import { LogClock } from './log-clock.ts'
import type { DroppedLog } from './log-cut.ts'
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
  /** Why a log is not kept within its bounds now, by module. */
  readonly #troubles = new Map<string, string>()

  constructor({ logs, libc, monoMs, wallMs, retentionMs, onDropped }: RunLogsGiven) {
    const press = new LogPress({ logs, monoMs, report: why => this.#told('archives', why) })
    const ring = new LogRing(logs, {
      calls: libc,
      monoMs,
      wallMs,
      retentionMs,
      press,
      onDropped,
      onTrouble: (module, why) => this.#told(module, why),
    })
    this.#clock = new LogClock(logs, wallMs, { ring })
  }

  /** A new run's, an adopted one's, or the same with other bounds. */
  follow(module: string, runId: string, spec: LogSpec): void {
    this.#clock.follow(module, runId, spec)
  }

  unfollow(module: string, runId: string): void {
    this.#clock.unfollow(module, runId)
  }

  troubles(): string[] {
    return [...this.#troubles].map(([module, why]) => `log of ${module}: ${why}`)
  }

  close(): void {
    this.#clock.close()
  }

  #told(module: string, why: string | null): void {
    if (why === null) this.#troubles.delete(module)
    else this.#troubles.set(module, why)
  }
}
