/**
 * What people ask of jobs, and what they see of them: JobsApi over the scheduler. Every ask goes through the
 * same gate as the schedule; nothing is run that is not a row first.
 */
import { admit } from '../../core/jobs/admit.ts'
import { withDownstream } from '../../core/jobs/decide.ts'
import type { JobMemory, JobOp } from '../../core/jobs/job-book.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import { isOpen, type JobRow, liveAttempt } from '../../core/jobs/job-row.ts'
import { type JobView, type LedgerRow, ledgerRow } from '../../core/jobs/ledger-row.ts'
import { BACKFILL_MAX } from '../../core/jobs/missed-ask.ts'
import { endOp, openRows, type Scheduling, type Wish } from '../../core/jobs/scheduling.ts'
import { MarkError } from '../../core/errors.ts'
import { nearest } from '../../core/nearest.ts'
import { nextInstant } from '../../core/schedule.ts'
import { scheduleText } from '../../core/schedule-text.ts'
import { formatUtc } from '../../core/time.ts'
import { timeZone } from '../../contract/jobs/time-zone.ts'
import { formatLocal } from '../../core/wall-time.ts'
import type { JobScheduler } from './scheduler.ts'

export class JobDesk {
  readonly #scheduler: JobScheduler
  readonly #redact: <T>(value: T) => T

  constructor(scheduler: JobScheduler, redact: <T>(value: T) => T) {
    this.#scheduler = scheduler
    this.#redact = redact
  }

  list(): JobView[] {
    return [...this.#scheduler.jobs.values()].map(job => this.#view(job))
  }

  job(name: string): JobView | null {
    const job = this.#scheduler.jobs.get(name)
    return job ? this.#view(job) : null
  }

  open(runId: string): LedgerRow | null {
    const row = this.#scheduler.book.rows.get(runId)
    return row ? this.#redact(ledgerRow(row)) : null
  }

  async run(
    name: string,
    { params, from, by }: { params: Readonly<Record<string, string>>; from: string | null; by: string },
  ): Promise<LedgerRow> {
    const first = this.#planOf(name)
    const job = from === null ? first : this.#planOf(from)
    if (!this.#chain(first.name).has(job.name)) {
      const why = `${job.name} does not run after ${first.name}.`
      throw new MarkError('MARK_REFUSED', why, `its chain: ${[...this.#chain(first.name)].join(', ')}`)
    }
    for (const param of Object.keys(params)) {
      if (job.params[param] !== undefined) continue
      const known = Object.keys(job.params)
      const hint = known.length === 0 ? `${job.name} has no params` : `known: ${known.join(', ')}`
      throw new MarkError('MARK_REFUSED', `${job.name} has no param ${param}.`, hint)
    }
    const wish = { trigger: from === null ? 'hand' : 'retry_from', by, params, nominal: null } as const
    return await this.#wish(job, given => ({ ...wish, dueMs: given.nowMs, upstream: {} }))
  }

  async cancel(
    runId: string,
    { kill, by, reason }: { kill: boolean; by: string; reason: string | null },
  ): Promise<LedgerRow> {
    const why = reason ?? 'cancelled'
    const stop = { cause: 'cancel', by, why } as const
    const rows = await this.#scheduler.keep(given => {
      const row = given.book.rows.get(runId)
      if (!row || !isOpen(row))
        throw new MarkError('MARK_NO_SUCH_RUN', `No run ${runId} waits or goes on.`, 'mark jobs lists them.')
      const op = { run_id: runId, attempts: row.attempts.length }
      if (liveAttempt(row)) return [{ op: 'stop', ...op, stop, kill }]
      return withDownstream([endOp(row, 'cancelled', `${why} (${by})`)], given)
    })
    return this.#shown(rows, runId)
  }

  async pause(name: string, by: string, note: string | null): Promise<JobView> {
    return await this.#setPaused(name, { by, note, at_ms: this.#scheduler.nowMs() })
  }

  async resume(name: string, _by: string): Promise<JobView> {
    return await this.#setPaused(name, null, ({ book, nowMs }) => {
      // A clock that was ahead has decided what is still to come: a person knows better.
      const isAhead = (book.memory(name).decided_ms ?? nowMs) > nowMs
      return isAhead ? [{ op: 'rewind', job: name, until_ms: nowMs }] : []
    })
  }

  async backfill(
    name: string,
    { fromMs, untilMs, by }: { fromMs: number; untilMs: number; by: string },
  ): Promise<LedgerRow[]> {
    const job = this.#planOf(name)
    const clockwork = this.#scheduler.clockworkOf(job)
    const instants: number[] = []
    let next = clockwork && nextInstant(job, clockwork, fromMs - 1)
    for (
      ;
      next && next.atMs < untilMs;
      next = nextInstant(job, clockwork as NonNullable<typeof clockwork>, next.atMs)
    ) {
      instants.push(next.atMs)
      if (instants.length > BACKFILL_MAX)
        throw new MarkError(
          'MARK_REFUSED',
          `These are more than ${BACKFILL_MAX} instants.`,
          'take a shorter time',
        )
    }
    if (instants.length === 0)
      throw new MarkError('MARK_REFUSED', `${name} has no instant there.`, `mark job next ${name} --from ...`)
    const rows = await this.#scheduler.keep(given => {
      if (untilMs > given.nowMs) throw new MarkError('MARK_REFUSED', 'That time is not over yet.')
      return instants.flatMap(ms => {
        const local = formatLocal(ms, clockwork?.zone.stretchAt(ms).offsetMs ?? 0)
        const nominal = { ms, local }
        const wish: Wish = { trigger: 'backfill', by, nominal, dueMs: given.nowMs, params: {}, upstream: {} }
        return opsOf(job, wish, given)
      })
    })
    return rows
      .filter(row => row.job === name && row.trigger === 'backfill')
      .map(row => this.#redact(ledgerRow(row)))
  }

  async #wish(job: JobPlan, make: (given: Scheduling) => Wish): Promise<LedgerRow> {
    let runId = ''
    const rows = await this.#scheduler.keep(given => {
      const ops = opsOf(job, make(given), given)
      for (const op of ops) if (op.op === 'row' && op.row.job === job.name) runId ||= op.row.run_id
      return ops
    })
    return this.#shown(rows, runId)
  }

  #shown(rows: readonly JobRow[], runId: string): LedgerRow {
    const row = rows.find(({ run_id }) => run_id === runId) ?? this.#scheduler.book.rows.get(runId)
    if (!row) throw new MarkError('MARK_NO_SUCH_RUN', `The keeper took no run ${runId}.`)
    return this.#redact(ledgerRow(row))
  }

  async #setPaused(
    name: string,
    paused: JobMemory['paused'],
    more: (given: Scheduling) => readonly JobOp[] = () => [],
  ): Promise<JobView> {
    const job = this.#planOf(name)
    await this.#scheduler.keep(given => [{ op: 'paused', job: name, paused }, ...more(given)])
    return this.#view(job)
  }

  #planOf(name: string): JobPlan {
    const job = this.#scheduler.jobs.get(name)
    if (job) return job
    const meant = nearest(name, this.#scheduler.jobs.keys())
    const hint = meant === null ? '`mark jobs` lists them.' : `did you mean ${meant}?`
    throw new MarkError('MARK_NO_SUCH_JOB', `There is no job ${name}.`, hint)
  }

  /** It, and all that runs after it. */
  #chain(name: string): Set<string> {
    const chain = new Set([name])
    // In the plan, upstream comes first.
    for (const job of this.#scheduler.jobs.values())
      if (job.after?.upstream.some(upstream => chain.has(upstream.job))) chain.add(job.name)
    return chain
  }

  #view(job: JobPlan): JobView {
    return this.#redact(this.#makeView(job))
  }

  #makeView(job: JobPlan): JobView {
    const { book } = this.#scheduler
    const { last, paused } = book.memory(job.name)
    const rows = openRows(book, job.name)
    const isRunning = rows.some(row => liveAttempt(row) !== null)
    const state = isRunning ? 'running' : rows.length > 0 ? 'waiting' : paused ? 'paused' : 'idle'
    const next = this.#scheduler.nextMs(job)
    const offsetMs = next === null ? 0 : timeZone(job.timezone).stretchAt(next).offsetMs
    return {
      name: job.name,
      state,
      last: last && { run_id: last.run_id, outcome: last.outcome, at: formatUtc(last.at_ms) },
      next_at: next === null ? null : formatUtc(next),
      next_local: next === null ? null : formatLocal(next, offsetMs),
      schedule: scheduleText(job.schedule),
      timezone: job.timezone,
      begin_by: this.#scheduler.beginBy(job),
      paused: paused && { by: paused.by, note: paused.note, at: formatUtc(paused.at_ms) },
      runs: rows.map(ledgerRow),
    }
  }
}

function opsOf(job: JobPlan, wish: Wish, given: Scheduling): JobOp[] {
  const { row, ops } = admit(job, wish, given)
  return withDownstream([...ops, { op: 'row', row }], given)
}
