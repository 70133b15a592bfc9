/**
 * Waits for the end of a job's run by the daemon's events. Opened before the run is asked for, it misses
 * nothing; over a daemon that is succeeded it asks how the run is, and so it does every few seconds, since an
 * end may fall between two daemons.
 */
import { MarkError } from '../core/errors.ts'
import type { JobRow } from '../core/jobs/job-row.ts'
import { type LedgerRow, ledgerRow } from '../core/jobs/ledger-row.ts'
import { outcomeKind } from '../core/outcome-kind.ts'
import type { FleetEvent } from '../core/view.ts'
import { askDaemon } from '../host/daemon-client.ts'
import { hearDaemon } from '../host/daemon-stream.ts'
import { runPath } from './job-asks.ts'

const AGAIN_MS = 500
const LOOK_MS = 5_000
const ASK_MS = 2_000
/** A daemon that is away so long does not come back by itself. */
const AWAY_MS = 30_000

export class RunWatch {
  readonly #socket: string
  readonly #rows = new Map<string, LedgerRow>()
  readonly #look: NodeJS.Timeout
  #stream: { close(): void } | null = null
  #again: NodeJS.Timeout | null = null
  /** Since when no daemon was heard; null: one is. */
  #awayMs: number | null = performance.now()
  #first: () => void = () => {}
  #wake: () => void = () => {}
  #runId: string | null = null
  #closed = false

  private constructor(socket: string) {
    this.#socket = socket
    this.#look = setInterval(() => void this.#ask(), LOOK_MS)
  }

  /** Resolves once it hears the daemon, or that there is none. */
  static async open(socket: string): Promise<RunWatch> {
    const watch = new RunWatch(socket)
    await new Promise<void>(resolve => {
      watch.#first = resolve
      watch.#hear()
    })
    return watch
  }

  /** The run's last row; null: `stop` came first. Rejects when the daemon does not come back. */
  async end(
    row: LedgerRow,
    changed: (row: LedgerRow) => void,
    stop: Promise<void>,
  ): Promise<LedgerRow | null> {
    this.#runId = row.run_id
    if (!this.#rows.has(row.run_id)) this.#rows.set(row.run_id, row)
    let shown: LedgerRow | null = null
    let stopped = false
    void stop.then(() => {
      stopped = true
      this.#wake()
    })
    for (;;) {
      const now = this.#rows.get(row.run_id) ?? row
      if (now !== shown) changed(now)
      shown = now
      if (outcomeKind(now.outcome) !== 'open') return now
      if (stopped) return null
      if (this.#awayMs !== null && performance.now() - this.#awayMs > AWAY_MS) throw lost(row.run_id)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#look)
    if (this.#again) clearTimeout(this.#again)
    this.#stream?.close()
  }

  #hear(): void {
    this.#stream = hearDaemon(this.#socket, {
      opened: () => {
        this.#awayMs = null
        this.#first()
        void this.#ask()
      },
      event: (kind, value) => {
        if (kind === 'event') this.#take(value as FleetEvent)
      },
      ended: () => {
        this.#awayMs ??= performance.now()
        this.#first()
        this.#wake()
        if (!this.#closed) this.#again = setTimeout(() => this.#hear(), AGAIN_MS)
      },
    })
  }

  #take({ kind, data }: FleetEvent): void {
    if (kind !== 'job_planned' && kind !== 'job_running' && kind !== 'job_ended') return
    this.#put(ledgerRow(data as unknown as JobRow))
  }

  async #ask(): Promise<void> {
    if (this.#runId === null) return
    const row = (await askDaemon(this.#socket, runPath(this.#runId), ASK_MS)) as LedgerRow | null
    if (row !== null) this.#put(row)
    this.#wake()
  }

  /** An end is the last word: an archive that lags behind takes nothing back. */
  #put(row: LedgerRow): void {
    const known = this.#rows.get(row.run_id)
    if (known && (outcomeKind(known.outcome) !== 'open' || same(known, row))) return
    if (known && known.attempts.length > row.attempts.length) return
    this.#rows.set(row.run_id, row)
    this.#wake()
  }
}

function same(one: LedgerRow, other: LedgerRow): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

function lost(runId: string): MarkError {
  return new MarkError(
    'MARK_NOT_RUNNING',
    'The daemon is away, and only it knows how the run ends.',
    `once it is back: mark job show ${runId}.`,
  )
}
