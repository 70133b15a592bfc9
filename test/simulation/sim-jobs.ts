/**
 * A fleet of jobs in memory, for years of it in seconds: the keeper's book with what it keeps on disk, the
 * daemon's scheduler, processes, two clocks, and faults at any step. The rules are the real ones; the keeper
 * and the daemon are as much of themselves as jobs need.
 */
import { clockworkOf } from '../../src/contract/jobs/clockwork.ts'
import { decideJob } from '../../src/core/jobs/decide.ts'
import { JobBook, type JobMemory, type JobOp } from '../../src/core/jobs/job-book.ts'
import type { JobPlan } from '../../src/core/jobs/job-plan.ts'
import { isOpen, type JobRow } from '../../src/core/jobs/job-row.ts'
import type { Scheduling } from '../../src/core/jobs/scheduling.ts'
import type { Clockwork } from '../../src/core/schedule.ts'
import { WatchedClock } from '../../src/daemon/jobs/watched-clock.ts'

const NOTHING_MORE = { signal: null, core: null, oom: null, evidence: 'wait' } as const

export class Killed extends Error {}

interface Process {
  readonly attemptId: string
  readonly endMs: number
  readonly code: number
}

interface Daemon {
  readonly book: JobBook
  readonly watched: WatchedClock
  readonly dirty: Set<string>
  readonly wakes: Map<string, number>
}

export interface SimOptions {
  readonly jobs: readonly JobPlan[]
  readonly startMs: number
  readonly random: () => number
  /** Chance of a kill at each step that can be told apart from outside. */
  readonly killChance: number
  /** How long a run of this job takes, and how it ends. */
  readonly takes: (job: string) => { readonly ms: number; readonly code: number }
  /** Keeps up to which instant all is decided; false shows what that is for. */
  readonly keepsKeys: boolean
}

export class SimJobs {
  wallMs: number
  monoMs = 0
  /** Every row that the keeper told of, as it was told last. */
  readonly ledger = new Map<string, JobRow>()
  /** Each attempt that got a process, with its row's job and instant. */
  readonly spawned: { readonly job: string; readonly nominalMs: number | null; readonly runId: string }[] = []
  kills = 0
  readonly #options: SimOptions
  readonly #jobs: ReadonlyMap<string, JobPlan>
  readonly #clockworks = new Map<string, Clockwork>()
  /** On disk. */
  readonly #entries = new Map<string, object>()
  readonly #processes = new Map<string, Process>()
  #keeper: JobBook | null = null
  #daemon: { book: JobBook; watched: WatchedClock; dirty: Set<string>; wakes: Map<string, number> } | null =
    null
  #ids = 0

  constructor(options: SimOptions) {
    this.#options = options
    this.wallMs = options.startMs
    this.#jobs = new Map(options.jobs.map(job => [job.name, job]))
    for (const job of options.jobs) this.#clockworks.set(job.name, clockworkOf(job))
  }

  /** Works until nothing is left to do now. */
  settle(): void {
    for (;;) {
      try {
        this.#rise()
        this.#reap()
        if (!this.#turn()) return
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        this.kills++
      }
    }
  }

  /** To whatever comes next, at most that far. */
  advance(mostMs: number): void {
    let ms = Math.min(mostMs, 30_000_000)
    for (const wake of this.#daemon?.wakes.values() ?? []) ms = Math.min(ms, wake - this.wallMs)
    for (const { endMs } of this.#processes.values()) ms = Math.min(ms, endMs - this.monoMs)
    const step = Math.max(1, ms)
    this.wallMs += step
    this.monoMs += step
    // The daemon looks at the clocks at least so often; here nothing happens in between.
    this.#daemon?.watched.look({ wallMs: this.wallMs, monoMs: this.monoMs })
  }

  stepClock(ms: number): void {
    this.wallMs += ms
    for (const name of this.#jobs.keys()) this.#daemon?.dirty.add(name)
  }

  killKeeper(): void {
    this.#keeper = null
    this.#daemon = null
  }

  killDaemon(): void {
    this.#daemon = null
  }

  /** The host goes down with all on it, and comes back later. */
  reboot(awayMs: number): void {
    this.killKeeper()
    this.#processes.clear()
    this.wallMs += awayMs
    this.monoMs = 0
  }

  openRows(): JobRow[] {
    return [...this.ledger.values()].filter(isOpen)
  }

  #rise(): void {
    if (this.#keeper === null) {
      const book = new JobBook()
      const kept = [...this.#entries].filter(([name]) => this.#options.keepsKeys || !name.startsWith('job '))
      book.restore(Object.fromEntries(kept))
      this.#keeper = book
      this.#tell()
    }
    if (this.#daemon !== null) return
    const book = new JobBook()
    book.learn([...this.#keeper.rows.values()], Object.fromEntries(this.#keeper.jobs))
    const watched = new WatchedClock()
    this.#daemon = { book, watched, dirty: new Set(this.#jobs.keys()), wakes: new Map() }
  }

  /** Attempts whose process is gone. */
  #reap(): void {
    const book = this.#keeper as JobBook
    const over = book.liveAttempts().filter(({ attempt }) => this.#hasEnded(attempt.id))
    for (const { attempt } of over) {
      const process = this.#processes.get(attempt.id)
      const exit = { known: process !== undefined, code: process?.code ?? null, ...NOTHING_MORE } as const
      book.ended(attempt.id, { exit, stop: null, reason: '' }, this.wallMs)
    }
    if (over.length > 0) this.#learn(this.#tell())
    for (const id of this.#processes.keys()) if (this.#hasEnded(id)) this.#processes.delete(id)
  }

  #hasEnded(attemptId: string): boolean {
    return (this.#processes.get(attemptId)?.endMs ?? 0) <= this.monoMs
  }

  /** True: something was done. */
  #turn(): boolean {
    const daemon = this.#daemon
    if (!daemon) return true
    for (const [name, atMs] of daemon.wakes) if (atMs <= this.wallMs) daemon.dirty.add(name)
    const name = daemon.dirty.values().next().value
    if (name === undefined) return false
    daemon.dirty.delete(name)
    const decision = decideJob(name, this.#scheduling())
    if (decision.wakeMs === null) daemon.wakes.delete(name)
    else daemon.wakes.set(name, decision.wakeMs)
    const isIdle = decision.ops.length + decision.starts.length === 0
    if (isIdle && decision.wakeMs !== null && decision.wakeMs <= this.wallMs)
      throw new Error(`${name} would be looked at for ever: ${JSON.stringify(daemon.book.rowsOf(name))}`)
    if (decision.ops.length > 0) this.#keep(decision.ops)
    for (const { row, attemptId, attempt } of decision.starts) this.#start(row, attemptId, attempt)
    return true
  }

  #keep(ops: readonly JobOp[]): void {
    this.#mayDie()
    const book = this.#keeper as JobBook
    for (const op of ops) book.apply(op, this)
    const rows = this.#tell()
    this.#mayDie()
    const jobs: Record<string, JobMemory> = {}
    const names = [...rows.map(row => row.job), ...ops.flatMap(op => ('job' in op ? op.job : []))]
    for (const name of names) jobs[name] = book.memory(name)
    this.#daemon?.book.learn(rows, jobs)
    for (const name of names) this.#daemon?.dirty.add(name)
  }

  #start(row: JobRow, attemptId: string, attempt: number): void {
    const book = this.#keeper as JobBook
    this.#mayDie()
    if (!book.begin(row.run_id, attemptId, attempt, { wallMs: this.wallMs, monoMs: this.monoMs })) return
    const told = this.#tell()
    this.#mayDie()
    const { ms, code } = this.#options.takes(row.job)
    this.#processes.set(attemptId, { attemptId, endMs: this.monoMs + ms, code })
    this.spawned.push({ job: row.job, nominalMs: row.nominal_ms, runId: row.run_id })
    this.#mayDie()
    this.#learn(told)
  }

  #learn(rows: readonly JobRow[]): void {
    this.#daemon?.book.learn(rows, {})
    for (const row of rows) this.#daemon?.dirty.add(row.job)
  }

  /** As the keeper does: remembered, then journalled; a kill in between leaves the first alone. */
  #tell(): JobRow[] {
    const book = this.#keeper as JobBook
    for (const name of book.takeTouched()) {
      const entry = book.entry(name)
      if (entry) this.#entries.set(name, entry)
      else this.#entries.delete(name)
    }
    this.#mayDie()
    const rows = book.takeTold()
    for (const row of rows) this.ledger.set(row.run_id, row)
    return rows
  }

  #mayDie(): void {
    const { random, killChance } = this.#options
    if (random() >= killChance) return
    const which = random()
    if (which < 0.4) this.killDaemon()
    else this.killKeeper()
    throw new Killed()
  }

  #scheduling(): Scheduling {
    const daemon = this.#daemon as Daemon
    return {
      jobs: this.#jobs,
      pools: { db: 2 },
      book: daemon.book,
      nowMs: this.wallMs,
      monoMs: this.monoMs,
      watchedSinceMs: daemon.watched.look({ wallMs: this.wallMs, monoMs: this.monoMs }),
      clockworkOf: job => this.#clockworks.get(job.name) as Clockwork,
      closed: () => null,
      killed: () => null,
      mintId: () => `${`${++this.#ids}`.padStart(12, '0')}`,
      chance: this.#options.random,
    }
  }
}
