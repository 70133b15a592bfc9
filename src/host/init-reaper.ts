/**
 * The duty of process 1: to reap what everybody leaves behind. A zombie rests a moment first, so that its own
 * parent (libuv, for children of this process) and a keeper that only adopted it can read how it ended; what
 * nobody read is written down as evidence for the next keeper. Signals nothing, and never waits.
 */
import type { Exit } from '../core/exit.ts'
import { formatUtc } from '../core/time.ts'
import type { Clock } from './clock.ts'
import type { Libc } from './libc.ts'
import { childrenOfMainThread, readStat } from './proc.ts'
import { readRunRecords, writeExitEvidence } from './run-records.ts'
import type { StateDir } from './state-dir.ts'

/** libuv reaps its own children within one turn of its loop. */
const REST_MS = 100
/** A successor is up within this. */
const RUN_REST_MS = 1000
const LOOK_MS = 50

export interface InitReaperGiven {
  readonly libc: Pick<Libc, 'reap'>
  readonly clock: Clock
  /** Whose children: this process. */
  readonly pid: number
  readonly report: (problem: string) => void
}

interface Zombie {
  readonly pid: number
  readonly startTime: number
  readonly sinceMs: number
  readonly atMs: number
  /** Its run, once it was looked for; null: it is nobody's run. */
  runId: string | null | undefined
}

export class InitReaper {
  readonly #given: InitReaperGiven
  readonly #zombies = new Map<number, Zombie>()
  #state: StateDir | null = null
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(given: InitReaperGiven) {
    this.#given = given
  }

  /** Whose runs' ends are worth keeping. */
  keepEvidence(state: StateDir): void {
    this.#state = state
  }

  /** SIGCHLD: some child of ours may have ended. */
  childChanged(): void {
    if (this.#timer !== null || this.#closed) return
    this.#timer = setTimeout(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #look(): void {
    this.#timer = null
    try {
      this.#findZombies()
      for (const zombie of this.#zombies.values()) this.#consider(zombie)
    } catch (error) {
      this.#given.report(`children could not be looked at: ${(error as Error).message}`)
    }
    if (this.#zombies.size > 0) this.childChanged()
  }

  #findZombies(): void {
    const { pid: parent, clock } = this.#given
    const now = clock.now()
    const present = new Set<number>()
    for (const pid of childrenOfMainThread(parent)) {
      const stat = readStat(pid)
      if (stat?.state !== 'Z') continue
      present.add(pid)
      const { startTime } = stat
      if (this.#zombies.get(pid)?.startTime !== startTime)
        this.#zombies.set(pid, { pid, startTime, sinceMs: now.monoMs, atMs: now.wallMs, runId: undefined })
    }
    for (const pid of [...this.#zombies.keys()]) if (!present.has(pid)) this.#zombies.delete(pid)
  }

  #consider(zombie: Zombie): void {
    const restedMs = this.#given.clock.now().monoMs - zombie.sinceMs
    if (restedMs < REST_MS) return
    if (zombie.runId === undefined) zombie.runId = this.#runOf(zombie)
    if (zombie.runId !== null && restedMs < RUN_REST_MS) return
    const exit = this.#given.libc.reap(zombie.pid)
    if (exit === 'alive') return
    this.#zombies.delete(zombie.pid)
    if (exit !== null && zombie.runId !== null) this.#keep(zombie, exit)
  }

  #runOf({ pid, startTime }: Zombie): string | null {
    if (this.#state === null) return null
    const found = readRunRecords(this.#state).find(
      run => run.pid === pid && (run.start_time === startTime || run.start_time === null),
    )
    return found?.run_id ?? null
  }

  /** Only while the run's record stands: without it a keeper has drawn its conclusion. */
  #keep(zombie: Zombie, exit: Exit): void {
    const runId = this.#runOf(zombie)
    if (this.#state === null || runId === null) return
    try {
      writeExitEvidence(this.#state, {
        run_id: runId,
        pid: zombie.pid,
        exit: { ...exit, evidence: 'wait' },
        at: formatUtc(zombie.atMs),
      })
    } catch (error) {
      this.#given.report(`the exit of run ${runId} could not be written: ${(error as Error).message}`)
    }
  }
}
