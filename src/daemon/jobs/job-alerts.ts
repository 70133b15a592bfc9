/**
 * What is worth an alert about jobs, beyond what a run says: looks at every span of time once. Decides
 * nothing about runs.
 */
import { aheadText } from '../../core/jobs/ahead.ts'
import { type FinishGiven, finishAlerts } from '../../core/jobs/finish.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import type { JobRow } from '../../core/jobs/job-row.ts'
import { missedAskText } from '../../core/jobs/missed-ask.ts'

/** Something worth an alert about a job, in words; `runId` null: about no run of it. */
export type TellAlert = (job: string, runId: string | null, reason: string) => void

/** Looked at least so far apart: a busy fleet asks far more often. */
const APART_MS = 5000

export class JobAlerts {
  readonly #tell: TellAlert
  #lookedMs: number | null = null
  /** Instants that nobody was told of yet, by job. */
  readonly #missed = new Map<string, number[]>()
  /** What was said of jobs that are decided ahead of the clock. */
  readonly #ahead = new Map<string, string>()

  constructor(tell: TellAlert) {
    this.#tell = tell
  }

  /** Rows as they were kept; more of the same may follow before the next look. */
  kept(rows: readonly JobRow[], jobs: ReadonlyMap<string, JobPlan>): void {
    for (const { job, outcome, nominal_ms } of rows) {
      if (outcome !== 'missed' || nominal_ms === null || jobs.get(job)?.missed.kind !== 'ask') continue
      const instants = this.#missed.get(job) ?? []
      instants.push(nominal_ms)
      this.#missed.set(job, instants)
    }
  }

  /** What was decided by now is in the book. */
  look(given: FinishGiven, nowMs: number): void {
    for (const [job, instants] of this.#missed) this.#tell(job, null, missedAskText(job, instants))
    this.#missed.clear()
    const fromMs = this.#lookedMs ?? nowMs
    if (nowMs > fromMs && nowMs - fromMs < APART_MS) return
    this.#lookedMs = nowMs
    for (const job of given.jobs.values()) {
      for (const reason of finishAlerts(job, given, fromMs, nowMs)) this.#tell(job.name, null, reason)
      this.#lookAhead(job, given, nowMs)
    }
  }

  #lookAhead(job: JobPlan, { book }: FinishGiven, nowMs: number): void {
    const ahead = aheadText(job, book, nowMs)
    if (ahead === null) this.#ahead.delete(job.name)
    else if (this.#ahead.get(job.name) !== ahead) {
      this.#ahead.set(job.name, ahead)
      this.#tell(job.name, null, ahead)
    }
  }
}
