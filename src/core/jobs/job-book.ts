/**
 * What the keeper remembers of jobs: the open rows of the ledger, and of each job up to which instant all is
 * decided. Promises: an instant is decided once, a row ends once, an attempt is begun once, however often it
 * is asked. Decides no policy: the daemon's scheduler does, and asks.
 */
import type { Instant } from '../time.ts'
import {
  type AttemptStop,
  type EndOutcome,
  isOpen,
  type JobAttempt,
  type JobRow,
  liveAttempt,
  type Outcome,
} from './job-row.ts'

/** What is kept of a job beyond its open rows. */
export interface JobMemory {
  /** All its instants up to this one are decided (Unix ms); null: it was never looked at. */
  readonly decided_ms: number | null
  readonly paused: { readonly by: string; readonly note: string | null; readonly at_ms: number } | null
  /** Of the jobs it runs after, those that ended since it ran last. */
  readonly arrivals: Readonly<Record<string, Arrival>>
  readonly last: { readonly run_id: string; readonly outcome: EndOutcome; readonly at_ms: number } | null
  /** Of its last run that succeeded. */
  readonly outputs: Readonly<Record<string, string>>
  /** Of its last runs that succeeded, oldest first, from the first attempt on. */
  readonly took_ms: readonly number[]
  /** When the last of these ended; missing: it was not kept yet. */
  readonly succeeded_ms?: number | null
}

export interface Arrival {
  readonly run_id: string
  readonly outcome: EndOutcome
}

export type JobOp =
  /** A new row: to be run (`waiting`), or one that ends as it begins. */
  | { readonly op: 'row'; readonly row: JobRow }
  /** Nothing up to here is to be run any more. */
  | { readonly op: 'decided'; readonly job: string; readonly until_ms: number }
  /** Back to here where it was decided further, under a clock that was ahead: a person asks for it. */
  | { readonly op: 'rewind'; readonly job: string; readonly until_ms: number }
  /** `attempts`, here and below: how many it had when this was decided; with another number it is stale. */
  | {
      readonly op: 'again'
      readonly run_id: string
      readonly attempts: number
      readonly due_ms: number
      readonly reason: string
    }
  | {
      readonly op: 'end'
      readonly run_id: string
      readonly attempts: number
      readonly outcome: EndOutcome
      readonly reason: string
      readonly outputs: Readonly<Record<string, string>>
      readonly cpu_s: number | null
      readonly memory_bytes: number | null
    }
  /** Its attempt is to end, without grace where `kill` is true. */
  | {
      readonly op: 'stop'
      readonly run_id: string
      readonly attempts: number
      readonly stop: AttemptStop
      readonly kill: boolean
    }
  | { readonly op: 'arrived'; readonly job: string; readonly arrivals: JobMemory['arrivals'] }
  | { readonly op: 'paused'; readonly job: string; readonly paused: JobMemory['paused'] }

export const NO_MEMORY: JobMemory = {
  decided_ms: null,
  paused: null,
  arrivals: {},
  last: null,
  outputs: {},
  took_ms: [],
}

const TOOK_MAX = 20
/** Rows that ended are known so long to whoever only learns, lest an older word bring one back. */
const ENDED_MAX = 1000
const ROW = 'row '
const JOB = 'job '

export class JobBook {
  /** Open ones, and those that ended until the journal tells of it. */
  readonly rows = new Map<string, JobRow>()
  readonly jobs = new Map<string, JobMemory>()
  /** The open ones by job. */
  readonly #open = new Map<string, Map<string, JobRow>>()
  /** Of rows that ended, in that order. */
  readonly #ended = new Set<string>()
  readonly #touched = new Set<string>()
  readonly #told = new Map<string, JobRow>()

  /**
   * What was remembered under `entries`: all of it counts as touched, for whoever remembers it next begins
   * empty. Rows that the journal may not tell of are told of again, in the same words.
   */
  restore(entries: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(entries)) {
      if (key.startsWith(JOB)) this.#remember(key.slice(JOB.length), value as JobMemory)
      if (key.startsWith(ROW)) this.#tell(value as JobRow)
    }
  }

  /** True for the names of what `restore` takes, beside those of children. */
  static isEntry(name: string): boolean {
    return name.startsWith(ROW) || name.startsWith(JOB)
  }

  /** Of an entry touched before; undefined: it is to be forgotten. */
  entry(name: string): JobRow | JobMemory | undefined {
    return name.startsWith(ROW)
      ? this.rows.get(name.slice(ROW.length))
      : this.jobs.get(name.slice(JOB.length))
  }

  /** The entries that changed since the last call. */
  takeTouched(): string[] {
    const touched = [...this.#touched]
    this.#touched.clear()
    return touched
  }

  /** The rows to tell of since the last call; those that ended are forgotten with it. */
  takeTold(): JobRow[] {
    const told = [...this.#told.values()]
    this.#told.clear()
    for (const { run_id } of told) {
      const row = this.rows.get(run_id)
      if (row === undefined || isOpen(row)) continue
      this.rows.delete(run_id)
      this.#ended.delete(run_id)
      this.#touched.add(ROW + run_id)
    }
    return told
  }

  /** The open rows of one job. */
  rowsOf(job: string): readonly JobRow[] {
    return [...(this.#open.get(job)?.values() ?? [])]
  }

  /** What the book of another process says now; older words are passed over. */
  learn(rows: readonly JobRow[], jobs: Readonly<Record<string, JobMemory>>): void {
    for (const row of rows) if (row.rev > (this.rows.get(row.run_id)?.rev ?? -1)) this.#keep(row)
    for (const [job, memory] of Object.entries(jobs)) this.jobs.set(job, memory)
    for (const id of this.#ended) {
      if (this.#ended.size <= ENDED_MAX) return
      this.#ended.delete(id)
      this.rows.delete(id)
    }
  }

  memory(job: string): JobMemory {
    return this.jobs.get(job) ?? NO_MEMORY
  }

  apply(op: JobOp, now: Instant): void {
    switch (op.op) {
      case 'row':
        return this.#plan(op.row)
      case 'decided':
        return this.#decide(op.job, op.until_ms)
      case 'rewind':
        return this.#rewind(op.job, op.until_ms)
      case 'again':
        return this.#again(op)
      case 'end':
        return this.#end(op, now)
      case 'stop':
        return this.#stop(op)
      case 'arrived':
        return this.#remember(op.job, { arrivals: op.arrivals })
      case 'paused':
        return this.#remember(op.job, { paused: op.paused })
    }
  }

  /** Its attempt number `number` (1 is the first); false: the row is not open, or not at that number. */
  begin(runId: string, attemptId: string, number: number, now: Instant): boolean {
    const row = this.rows.get(runId)
    if (!row || !isOpen(row) || liveAttempt(row) || row.attempts.length !== number - 1) return false
    if (number > row.due_attempt) return false
    const began = { id: attemptId, started_ms: now.wallMs, mono_ms: now.monoMs }
    const attempt = { ...began, ended_ms: null, exit: null, stop: null, reason: '' }
    this.#put({ ...row, outcome: 'running', reason: '', attempts: [...row.attempts, attempt] })
    return true
  }

  /** Nothing of the attempt is left. An attempt that is not known, or ended before, is nothing. */
  ended(attemptId: string, end: Pick<JobAttempt, 'exit' | 'stop' | 'reason'>, nowMs: number): void {
    const found = this.liveAttempts().find(({ attempt }) => attempt.id === attemptId)
    if (!found) return
    const { exit, reason } = end
    this.#putAttempt(found.row, { exit, reason, ended_ms: nowMs, stop: found.attempt.stop ?? end.stop })
  }

  /** It was remembered, and then not even tried: another one may begin in its place. */
  takeBack(attemptId: string): void {
    const row = this.liveAttempts().find(({ attempt }) => attempt.id === attemptId)?.row
    if (row) this.#put({ ...row, outcome: 'waiting', attempts: row.attempts.slice(0, -1) })
  }

  /** Attempts that go on as far as this book knows. */
  liveAttempts(): { readonly row: JobRow; readonly attempt: JobAttempt }[] {
    return [...this.#open.values()]
      .flatMap(rows => [...rows.values()])
      .flatMap(row => {
        const attempt = liveAttempt(row)
        return attempt ? [{ row, attempt }] : []
      })
  }

  #plan(row: JobRow): void {
    if (this.rows.has(row.run_id)) return
    const { job, nominal_ms: instant, trigger } = row
    const isPlanned = trigger === 'schedule' || trigger === 'catch_up'
    if (isPlanned && instant !== null) {
      if (instant <= (this.memory(job).decided_ms ?? Number.NEGATIVE_INFINITY)) return
      this.#decide(job, instant)
    }
    if (!isOpen(row)) this.#remember(job, { last: lastOf(row, row.outcome) })
    this.#put(row)
  }

  #decide(job: string, untilMs: number): void {
    const { decided_ms } = this.memory(job)
    if (decided_ms === null || decided_ms < untilMs) this.#remember(job, { decided_ms: untilMs })
  }

  #rewind(job: string, untilMs: number): void {
    const { decided_ms } = this.memory(job)
    if (decided_ms !== null && decided_ms > untilMs) this.#remember(job, { decided_ms: untilMs })
  }

  #end(op: Extract<JobOp, { op: 'end' }>, now: Instant): void {
    const { op: _op, attempts: _attempts, run_id, outcome, ...more } = op
    this.#change(op, row => {
      const endedMs = row.attempts.at(-1)?.ended_ms ?? now.wallMs
      const last = { run_id, outcome, at_ms: endedMs }
      if (outcome !== 'succeeded') this.#remember(row.job, { last })
      else {
        const tookMs = now.monoMs - (row.attempts[0]?.mono_ms ?? now.monoMs)
        const took_ms = [...this.memory(row.job).took_ms, Math.round(tookMs)].slice(-TOOK_MAX)
        this.#remember(row.job, { last, outputs: more.outputs, took_ms, succeeded_ms: endedMs })
      }
      return { ...row, ...more, outcome, ended_ms: endedMs }
    })
  }

  #again(op: Extract<JobOp, { op: 'again' }>): void {
    const { due_ms, reason } = op
    this.#change(op, row => ({ ...row, due_ms, reason, due_attempt: row.attempts.length + 1 }))
  }

  #stop({ run_id, attempts, stop }: Extract<JobOp, { op: 'stop' }>): void {
    const row = this.rows.get(run_id)
    if (row && liveAttempt(row) && row.attempts.length === attempts) this.#putAttempt(row, { stop })
  }

  #putAttempt(row: JobRow, change: Partial<JobAttempt>): void {
    const last = row.attempts.at(-1) as JobAttempt
    this.#put({ ...row, attempts: [...row.attempts.slice(0, -1), { ...last, ...change }] })
  }

  #change(of: { run_id: string; attempts: number }, change: (row: JobRow) => JobRow): void {
    const row = this.rows.get(of.run_id)
    if (!row || !isOpen(row) || liveAttempt(row) || row.attempts.length !== of.attempts) return
    this.#put(change(row))
  }

  #put(row: JobRow): void {
    this.#tell({ ...row, rev: row.rev + 1 })
  }

  #tell(row: JobRow): void {
    this.#keep(row)
    this.#touched.add(ROW + row.run_id)
    this.#told.set(row.run_id, row)
  }

  #keep(row: JobRow): void {
    this.rows.set(row.run_id, row)
    const open = this.#open.get(row.job) ?? new Map<string, JobRow>()
    if (isOpen(row)) this.#open.set(row.job, open.set(row.run_id, row))
    else {
      this.#ended.add(row.run_id)
      if (open.delete(row.run_id) && open.size === 0) this.#open.delete(row.job)
    }
  }

  #remember(job: string, change: Partial<JobMemory>): void {
    this.jobs.set(job, { ...this.memory(job), ...change })
    this.#touched.add(JOB + job)
  }
}

function lastOf(row: JobRow, outcome: Outcome): JobMemory['last'] {
  return { run_id: row.run_id, outcome: outcome as EndOutcome, at_ms: row.ended_ms ?? row.planned_ms }
}
