/**
 * Jobs of mark.yaml (SPEC 8) to what the plan keeps of them, upstream first. Everything that can be wrong
 * with one is said at its place.
 */
import type { JobPlan, MissedPolicy } from '../../core/jobs/job-plan.ts'
import type { ReadCronLine } from '../jobs/cron-line.ts'
import { checkKeys } from './check-job-keys.ts'
import { checkParams } from './check-job-params.ts'
import { checkTexts } from './check-job-texts.ts'
import type { Calendars } from './resolve-calendars.ts'
import { resolveWhen } from './resolve-when.ts'
import { nodeAt, toPlain } from './located.ts'
import { afterOf, upstreamFirst } from './resolve-after.ts'
import { finishByAt } from './resolve-finish-by.ts'
import { poolAt, warnOfIdlePools } from './resolve-pools.ts'
import type { Resolved } from './resolve-process.ts'
import { retryAt, timeoutAt } from './resolve-retry.ts'
import { resolveSchedule } from './resolve-schedule.ts'
import { resolveStart } from './resolve-start.ts'
import { type JobInput, jobSchema } from './schema-job.ts'
import type { Scope } from './scope.ts'

export interface ResolvedJobs {
  readonly jobs: readonly JobPlan[]
  /** What each of them starts, as far as it could be resolved. */
  readonly starts: readonly Resolved[]
}

interface Given {
  readonly names: readonly string[]
  readonly pools: readonly string[]
  readonly timezone: string
  readonly calendars: Calendars
  /** null where there are no jobs. */
  readonly readCronLine: ReadCronLine | null
}

/** Jobs whose shape is wrong are left out: that is said already. */
export function resolveJobs(scope: Scope, given: Given): ResolvedJobs {
  const inputs = new Map<string, JobInput>()
  for (const name of given.names) {
    const node = nodeAt(scope.tree, ['jobs', name])
    const result = jobSchema.safeParse(node ? toPlain(node) : {})
    if (result.success) inputs.set(name, result.data)
  }
  const ordered = upstreamFirst(scope, given.names, inputs)
  checkTexts(scope, given.names, inputs)
  if (inputs.size === given.names.length) warnOfIdlePools(scope, given.pools, inputs.values())
  const jobs: JobPlan[] = []
  const starts: Resolved[] = []
  for (const name of ordered) {
    const input = inputs.get(name) as JobInput
    const start = resolveStart(scope, name, input)
    starts.push(start)
    const job = resolveJob(scope, input, start, given)
    if (job !== null) jobs.push(job)
  }
  return { jobs, starts }
}

function resolveJob(
  scope: Scope,
  input: JobInput,
  { at, spec }: Resolved,
  { timezone, readCronLine, pools, calendars }: Given,
): JobPlan | null {
  checkParams(scope, at, input)
  const retry = retryAt(scope, [...at, 'retry'], input.retry)
  const rest = {
    start: spec,
    overlap: input.overlap,
    missed: missedOf(input.missed),
    deadlineMs: input.deadline ?? null,
    timeout: timeoutAt(scope, [...at, 'timeout'], input.timeout, retry),
    retry,
    jitterMs: input.jitter,
    pool: poolAt(scope, [...at, 'pool'], input.pool, pools),
    when: resolveWhen(scope, [...at, 'when'], input.when, calendars),
    after: afterOf(input),
    finishBy: finishByAt(scope, [...at, 'finish_by'], input.finish_by, input.timezone ?? timezone),
    params: input.params,
    outputs: [...new Set(input.outputs)],
  }
  const job = readCronLine && resolveSchedule(scope, spec.name, input, timezone, readCronLine)
  if (job === null) return null
  checkKeys(scope, at, job.schedule)
  return { ...job, ...rest }
}

function missedOf(missed: JobInput['missed']): MissedPolicy {
  if (typeof missed === 'object')
    return { kind: 'all', max: missed.all.max ?? null, windowMs: missed.all.window ?? null }
  return missed === 'all' ? { kind: 'all', max: null, windowMs: null } : { kind: missed }
}
