/**
 * A fleet with jobs: reads its ledger out of the journal alone, and the lists that the runs themselves write,
 * so that neither can hide what the other knows.
 */
import { jobRow } from '../simulation/job-plans.ts'
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { JobsKept } from '../../src/contract/keeper.ts'
import type { JobOp } from '../../src/core/jobs/job-book.ts'
import { isOpen, type JobRow, liveAttempt } from '../../src/core/jobs/job-row.ts'
import { readJournal } from '../chaos/journal.ts'
import { allPids, environOf, isLive, statOf } from '../chaos/proc.ts'
import { FaultFleet } from '../faults/fault-fleet.ts'
import { until } from './fleet.ts'

/** What a run wrote down about itself, as its first act. */
export interface Line {
  readonly nominal: string
  readonly runId: string
  readonly attemptId: string
}

export const LIST = 'echo "$MARK_JOB_NOMINAL $MARK_JOB_RUN_ID $MARK_JOB_ATTEMPT_ID" >> list-$MARK_MODULE.txt'

export class JobFleet extends FaultFleet {
  readonly #rows = new Map<string, JobRow>()

  /** The last word about every run that the journal ever told of, also in segments that are gone by now. */
  rows(job?: string): JobRow[] {
    if (existsSync(join(this.stateDir, 'events.journal'))) {
      for (const { kind, data } of readJournal(this.stateDir).events) {
        if (!kind.startsWith('job_')) continue
        const row = data as unknown as JobRow
        if ((this.#rows.get(row.run_id)?.rev ?? -1) < row.rev) this.#rows.set(row.run_id, row)
      }
    }
    return [...this.#rows.values()].filter(row => job === undefined || row.job === job)
  }

  /** What the runs of a job say of themselves, whatever MARK says. */
  list(job: string): Line[] {
    const lines = this.read(`list-${job}.txt`).split('\n').slice(0, -1)
    return lines.map(line => {
      const [nominal = '', runId = '', attemptId = ''] = line.split(' ')
      return { nominal, runId, attemptId }
    })
  }

  async kept(): Promise<JobsKept> {
    return (await this.ask({ ask: 'job_book' })) as JobsKept
  }

  /** As the daemon asks when a person wants a run. */
  async byHand(job: string, more: Partial<JobRow> = {}): Promise<string> {
    const run_id = `01HAND${Math.random().toString(36).slice(2).toUpperCase().padEnd(20, '0').slice(0, 20)}`
    const nowMs = Date.now()
    const times = { planned_ms: nowMs, due_ms: nowMs }
    const row = jobRow(job, { run_id, ...times, trigger: 'hand', by: 'test', ...more })
    await this.tellJobs({ op: 'row', row })
    return run_id
  }

  async tellJobs(...ops: readonly JobOp[]): Promise<void> {
    await this.ask({ ask: 'jobs', ops })
  }

  async row(what: string, deadlineMs: number, fits: (row: JobRow) => boolean): Promise<JobRow> {
    return await until(what, deadlineMs, () => this.rows().find(fits))
  }

  async ended(runId: string, deadlineMs = 20_000): Promise<JobRow> {
    return await this.row(`${runId} ends`, deadlineMs, row => row.run_id === runId && !isOpen(row))
  }

  /** It runs, and wrote its line. */
  async running(job: string, deadlineMs = 20_000): Promise<JobRow> {
    return await this.row(`${job} runs`, deadlineMs, row => {
      const live = row.job === job && liveAttempt(row)
      return live ? this.list(job).some(line => line.attemptId === live.id) : false
    })
  }

  /** Live processes with one of these ids in their environment. */
  processesOf(row: JobRow): number[] {
    const ids = new Set(row.attempts.map(({ id }) => id))
    return allPids().filter(pid => {
      const id = environOf(pid).get('MARK_RUN_ID')
      return id !== undefined && ids.has(id) && isLive(statOf(pid))
    })
  }

  /** Of every run and every attempt that the journal and the lists know: each once, and each in both. */
  assertLists(jobs: readonly string[]): void {
    for (const job of jobs) {
      // A row is told of before its attempt runs, its exit after: this holds of a fleet that goes on too.
      const early = this.list(job)
      const rows = this.rows(job)
      const list = this.list(job)
      const twice = list.map(({ attemptId }) => attemptId).filter((id, at, all) => all.indexOf(id) !== at)
      assert.deepEqual(twice, [], `${job}: attempts that ran twice`)
      const planned = new Set(rows.flatMap(row => row.attempts.map(({ id }) => `${row.run_id} ${id}`)))
      const stray = early.filter(({ runId, attemptId }) => !planned.has(`${runId} ${attemptId}`))
      assert.deepEqual(stray, [], `${job}: attempts that no row tells of`)
      const ran = new Set(list.map(({ attemptId }) => attemptId))
      for (const row of rows) {
        const exits = row.attempts.filter(({ exit }) => exit?.known === true && exit.code !== null)
        const silent = exits.filter(({ id }) => !ran.has(id))
        assert.deepEqual(silent, [], `${job}: attempts with an exit that never ran`)
        if (row.outcome === 'succeeded') assert.ok(row.attempts.length > 0, `${row.run_id} succeeded unrun`)
      }
    }
  }
}

/** `succeeded 12, lost 1` */
export function countOutcomes(rows: readonly JobRow[]): string {
  const counts = new Map<string, number>()
  for (const { outcome } of rows) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  return [...counts].map(([outcome, count]) => `${outcome} ${count}`).join(', ')
}
