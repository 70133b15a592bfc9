/**
 * `mark jobs`: each job, when it is due and how it last ended. Of a fleet that is not up, what mark.yaml
 * says.
 */
import type { JobView } from '../../core/jobs/ledger-row.ts'
import { scheduleText } from '../../core/schedule-text.ts'
import { getDaemon } from '../../host/daemon-client.ts'
import type { CliContext } from '../context.ts'
import { isUp, readJobs } from '../job-asks.ts'
import { jobTable } from '../job-table.ts'
import { loadPlan } from '../load-plan.ts'

const HERE_MS = 500

export async function jobs(context: CliContext): Promise<number> {
  const list = await known(context)
  if (context.options.json) context.json({ jobs: list })
  else if (list.length === 0) context.note('mark.yaml declares no job.')
  else for (const line of jobTable(list, context, Date.now())) context.out(line)
  return 0
}

async function known(context: CliContext): Promise<readonly JobView[]> {
  const nobody = (await getDaemon(context.stateDir().daemonSocket, '/healthz', HERE_MS)) === null
  if (nobody && !isUp(context)) return await declared(context)
  return (await readJobs<{ jobs: JobView[] }>(context, '/api/v1/jobs')).jobs
}

async function declared(context: CliContext): Promise<JobView[]> {
  const { plan, warning } = await loadPlan(context)
  const { nextInstants } = await import('../../contract/jobs/job-instants.ts')
  if (warning !== null) context.note(warning)
  context.note('this fleet is not up, so no job runs: `mark up` starts it.')
  return (plan.jobs ?? []).map(spec => {
    const [next] = nextInstants(spec, Date.now(), 1)
    return {
      name: spec.name,
      state: 'idle',
      last: null,
      next_at: next?.at ?? null,
      next_local: next?.local ?? null,
      begin_by: null,
      schedule: scheduleText(spec.schedule),
      timezone: spec.timezone,
      paused: null,
      runs: [],
    }
  })
}
