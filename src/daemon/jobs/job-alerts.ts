/**
 * What is worth an alert about jobs, beyond what a run says: looks at every span of time once. Decides
 * nothing about runs.
 */
import { type FinishGiven, finishAlerts } from '../../core/jobs/finish.ts'

/** Something worth an alert about a job, in words; `runId` null: about no run of it. */
export type TellAlert = (job: string, runId: string | null, reason: string) => void

/** Looked at least so far apart: a busy fleet asks far more often. */
const APART_MS = 1000

export class JobAlerts {
  readonly #tell: TellAlert
  #lookedMs: number | null = null

  constructor(tell: TellAlert) {
    this.#tell = tell
  }

  /** What was decided by now is in the book. */
  look(given: FinishGiven, nowMs: number): void {
    const fromMs = this.#lookedMs ?? nowMs
    if (nowMs > fromMs && nowMs - fromMs < APART_MS) return
    this.#lookedMs = nowMs
    for (const job of given.jobs.values())
      for (const reason of finishAlerts(job, given, fromMs, nowMs)) this.#tell(job.name, null, reason)
  }
}
