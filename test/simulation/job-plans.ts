/** Jobs for tests: every default that matters spelled out. */
import type { JobPlan } from '../../src/core/jobs/job-plan.ts'
import { moduleSpec } from './fleet-plan.ts'

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
