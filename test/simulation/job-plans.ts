/** Jobs for tests: every default that matters spelled out. */
import { clockworkOf } from '../../src/contract/jobs/clockwork.ts'
import type { Exit } from '../../src/core/exit.ts'
import { JobBook, NO_MEMORY } from '../../src/core/jobs/job-book.ts'
import type { JobPlan } from '../../src/core/jobs/job-plan.ts'
import type { JobAttempt, JobRow } from '../../src/core/jobs/job-row.ts'
import { rowOf, type Scheduling } from '../../src/core/jobs/scheduling.ts'
import { moduleSpec } from './fleet-plan.ts'

export const NOON_MS = Date.UTC(2026, 0, 1, 12)

const POLICIES = {
  timezone: 'UTC',
  dst: 'vixie',
  overlap: 'skip',
  missed: { kind: 'latest' },
  deadlineMs: null,
  timeout: { attemptMs: null, runMs: null },
  retry: { limit: 0, delayMs: 10_000, multiplier: 2, maxDelayMs: null, onExit: 'any' },
  jitterMs: 0,
  pool: null,
  when: null,
  after: null,
  finishBy: null,
  params: {},
  outputs: [],
} as const satisfies Omit<JobPlan, 'name' | 'schedule' | 'start'>

export function jobPlan(name: string, over: Partial<JobPlan> = {}): JobPlan {
  const never = { policy: 'never', budget: [] } as const
  const base = moduleSpec(name, { kind: 'task', ready: { kind: 'delay', delayMs: 0 } })
  const start = { ...base, restart: { ...base.restart, ...never } }
  return { name, schedule: { kind: 'none' }, start, ...POLICIES, ...over }
}

export const cron = (line: string) => ({ kind: 'cron', line, seconds: false }) as const

export function afterJobs(
  ...upstream: readonly (string | { job: string; on: 'success' | 'failure' | 'any' })[]
) {
  const edges = upstream.map(edge => {
    const { job, on } = typeof edge === 'string' ? { job: edge, on: 'success' as const } : edge
    return { job, on, delayMs: 0 }
  })
  return {
    schedule: { kind: 'after' as const, jobs: edges.map(({ job }) => job) },
    after: { join: 'all' as const, upstream: edges },
  }
}

export interface Given {
  readonly book?: JobBook
  readonly nowMs?: number
  readonly monoMs?: number
  readonly watchedSinceMs?: number
  readonly pools?: Readonly<Record<string, number>>
  readonly killed?: (job: string) => string | null
  readonly closed?: () => string | null
}

/** What the rules are given, at noon of the first of January 2026 unless told otherwise. */
export function scheduling(jobs: readonly JobPlan[], given: Given = {}): Scheduling {
  let ids = 0
  return {
    jobs: new Map(jobs.map(job => [job.name, job])),
    pools: {},
    book: new JobBook(),
    nowMs: NOON_MS,
    monoMs: 0,
    watchedSinceMs: 0,
    clockworkOf,
    closed: () => null,
    killed: () => null,
    mintId: () => `new-${++ids}`,
    chance: () => 0,
    ...given,
  }
}

/** A row that waits, or as `over` says. */
export function jobRow(job: string, over: Partial<JobRow> = {}): JobRow {
  const wish = { trigger: 'schedule', by: 'schedule', nominal: null, params: {}, upstream: {} } as const
  const given = { nowMs: NOON_MS, mintId: () => `run-of-${job}` }
  return { ...rowOf(jobPlan(job), { ...wish, dueMs: NOON_MS }, given, null), ...over }
}

/** A book that knows these rows, and which instants are decided. */
export function bookOf(rows: readonly JobRow[], decided: Readonly<Record<string, number>> = {}): JobBook {
  const book = new JobBook()
  const jobs = Object.entries(decided).map(([name, ms]) => [name, { ...NO_MEMORY, decided_ms: ms }] as const)
  book.learn(rows, Object.fromEntries(jobs))
  return book
}

/** One that went on for a minute, and ended or not. */
export function attempt(over: Partial<JobAttempt> = {}): JobAttempt {
  const times = { started_ms: NOON_MS - 60_000, mono_ms: -60_000, ended_ms: NOON_MS }
  return { id: 'attempt-1', ...times, exit: null, stop: null, reason: '', ...over }
}

export function exited(code: number | null, signal: string | null = null): Exit {
  return { known: true, code, signal, core: false, oom: false, evidence: 'wait' }
}
