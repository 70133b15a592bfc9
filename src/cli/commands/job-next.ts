/**
 * `mark job next JOB`: when it is due, read from mark.yaml alone; needs no running fleet and changes nothing.
 */
import type { JobInstant } from '../../contract/jobs/job-instants.ts'
import type { JobSpec } from '../../core/schedule.ts'
import { formatDuration, formatUtc } from '../../core/time.ts'
import type { CliContext } from '../context.ts'
import { loadPlan } from '../load-plan.ts'
import { noSuchJob } from '../no-such-job.ts'
import { table } from '../table.ts'
import { visible } from '../visible.ts'

interface JobNextOptions {
  readonly count: number
  readonly fromMs: number
  /** `count` instants around each of the next two clock changes. */
  readonly aroundDst: boolean
}

export async function jobNext(context: CliContext, name: string, options: JobNextOptions): Promise<number> {
  const { plan, warning } = await loadPlan(context)
  const jobs = plan.jobs ?? []
  if (warning !== null) context.note(warning)
  const job = jobs.find(candidate => candidate.name === name)
  if (job === undefined) {
    throw noSuchJob(
      name,
      jobs.map(one => one.name),
    )
  }
  const { nextInstants, instantsAroundChanges } = await import('../../contract/jobs/job-instants.ts')
  const list = options.aroundDst ? instantsAroundChanges : nextInstants
  const { closedWhy } = await import('../../contract/jobs/market-hours.ts')
  const { timezone, dst, when } = job
  const next = list(job, options.fromMs, options.count, (zone, ms) =>
    closedWhy(when, plan.calendars, zone, ms),
  )
  if (context.options.json) context.json({ job: name, timezone, dst, next })
  else print(context, job, next)
  return 0
}

function print(context: CliContext, job: JobSpec, next: readonly JobInstant[]): void {
  context.note(`${job.name}: ${describe(job)}`)
  if (next.length === 0) return
  const rows = next.map(({ local, at, note }) => [local, at, note ?? ''])
  const columns = [{ title: 'LOCAL' }, { title: 'UTC' }, { title: 'NOTE' }]
  for (const line of table(columns, rows, context.isTty ? context.columns : null)) context.out(line)
}

function describe({ schedule, timezone, dst }: JobSpec): string {
  switch (schedule.kind) {
    case 'cron':
      return `${visible(schedule.line)} in ${timezone}, dst ${dst}`
    case 'every':
      return `every ${formatDuration(schedule.everyMs)}, counted from 1970-01-01T00:00:00Z`
    case 'at':
      return `once, at ${formatUtc(schedule.atMs)}`
    case 'after':
      return `after ${schedule.jobs.join(', ')}; it has no times of its own`
    default:
      return 'by hand; it has no times of its own'
  }
}
