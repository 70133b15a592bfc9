/**
 * The daemon's side of jobs, put together: the scheduler, what people ask of it, and what is read of a run
 * that ended: its outputs, its use of the host. Loaded only for a fleet with jobs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { coveringKill, killHold } from '../../core/kill.ts'
import { readOutputs } from '../../core/jobs/job-outputs.ts'
import { closedWhy } from '../../contract/jobs/market-hours.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import type { JobAttempt } from '../../core/jobs/job-row.ts'
import type { Plan } from '../../core/plan.ts'
import type { FleetEvent, KillView } from '../../core/view.ts'
import { readRange } from '../../host/log-reader.ts'
import type { TellAlert } from './job-alerts.ts'
import { JobDesk } from './job-desk.ts'
import { JobScheduler, type SchedulerGiven } from './scheduler.ts'

export interface JobSideGiven extends Pick<SchedulerGiven, 'clock' | 'ask' | 'mintId' | 'say' | 'used'> {
  readonly logs: string
  /** Without the secrets that a row's own words may hold. */
  readonly redact: <T>(value: T) => T
  /** Where an attempt's output begins in the log of its job; null: nobody knows. */
  readonly startOf: (runId: string) => Promise<number | null>
  /** A process of an attempt is there. */
  readonly began: (run: { readonly module: string; readonly runId: string; readonly pid: number }) => void
  readonly alert: TellAlert
}

/** A daemon ends within a second. */
const SETTLE_MS = 500
const CHUNK_BYTES = 1024 * 1024
/** Of a run that prints more, the end counts. */
const READ_MAX_BYTES = 64 * CHUNK_BYTES
const ENDS_KEPT = 1000

export class JobSide {
  readonly #given: JobSideGiven
  readonly #scheduler: JobScheduler
  readonly desk: JobDesk
  #plan: Plan | null = null
  #kills: readonly KillView[] = []
  /** Where the output of an attempt ends. */
  readonly #ends = new Map<string, number>()

  constructor(given: JobSideGiven) {
    this.#given = given
    this.#scheduler = new JobScheduler({
      ...given,
      killed: job => this.#killed(job),
      closed: (job, ms) => this.#closed(job, ms),
      outputsOf: (job, attempt) => this.#outputsOf(job, attempt),
    })
    this.desk = new JobDesk(this.#scheduler, given.redact)
  }

  up(plan: Plan | null, kills: readonly KillView[]): void {
    this.#plan = plan
    this.#kills = kills
    this.#scheduler.up(plan)
  }

  setPlan(plan: Plan | null): void {
    this.#plan = plan
    this.#scheduler.setPlan(plan)
  }

  setKills(kills: readonly KillView[]): void {
    const isSame = JSON.stringify(kills) === JSON.stringify(this.#kills)
    this.#kills = kills
    if (!isSame) this.#scheduler.touch()
  }

  heard(event: FleetEvent): void {
    if (event.kind.startsWith('job_')) this.#scheduler.heard(event)
    const { module, run_id: runId } = event
    const { log_offset: end, pid } = event.data
    const isOurs = module !== null && runId !== null && this.has(module)
    if (isOurs && event.kind === 'started' && typeof pid === 'number')
      this.#given.began({ module, runId, pid })
    if (!isOurs || event.kind !== 'exited' || typeof end !== 'number') return
    this.#ends.set(runId, end)
    if (this.#ends.size > ENDS_KEPT) this.#ends.delete(this.#ends.keys().next().value as string)
  }

  has(job: string): boolean {
    return this.#scheduler.jobs.has(job)
  }

  /** Attempts that go on, by what is known here. */
  liveAttempts(): { readonly job: string; readonly id: string }[] {
    return this.#scheduler.book.liveAttempts().map(({ row, attempt }) => ({ job: row.job, id: attempt.id }))
  }

  down(): void {
    this.#scheduler.down()
  }

  /** While the keeper can still be asked: a run that ended with all others gets its end, too. */
  async close(): Promise<void> {
    await Promise.race([this.#scheduler.settled(), sleep(SETTLE_MS, undefined, { ref: false })])
    this.#scheduler.down()
  }

  #closed(job: JobPlan, ms: number): string | null {
    const clockwork = this.#scheduler.clockworkOf(job)
    if (clockwork === null) return null
    return closedWhy(job.when, this.#plan?.calendars, clockwork.zone, ms)
  }

  #killed(job: string): string | null {
    const kill = coveringKill(this.#kills, job, this.#plan)
    return kill && killHold(kill).reason
  }

  async #outputsOf(job: JobPlan, { id }: JobAttempt): Promise<Readonly<Record<string, string>>> {
    try {
      const from = await this.#given.startOf(id)
      if (from === null) throw new Error('where its output begins is not known')
      const to = this.#ends.get(id) ?? Number.MAX_SAFE_INTEGER
      const { values, faults } = readOutputs(this.#linesOf(job.name, from, to), job.outputs)
      for (const fault of faults) this.#given.alert(job.name, id, fault)
      return values
    } catch (error) {
      this.#given.alert(job.name, id, `its outputs cannot be read: ${(error as Error).message}`)
      return {}
    }
  }

  /** Only those that may say something. */
  #linesOf(job: string, from: number, to: number): string[] {
    const lines: string[] = []
    let rest = ''
    for (let at = Math.max(from, Math.min(to, from + READ_MAX_BYTES) - READ_MAX_BYTES); at < to; ) {
      const bytes = readRange(this.#given.logs, job, at, to, CHUNK_BYTES)
      if (bytes.length === 0) break
      at += bytes.length
      const parts = (rest + bytes.toString('utf8')).split('\n')
      rest = (parts.pop() ?? '').slice(0, CHUNK_BYTES)
      lines.push(...parts.filter(line => line.startsWith('MARK_OUTPUT')))
    }
    if (rest.startsWith('MARK_OUTPUT')) lines.push(rest)
    return lines
  }
}
