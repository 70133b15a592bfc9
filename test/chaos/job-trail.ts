/**
 * What the journal says of jobs, judged by what a schedule promises: an instant runs once, a run ends once,
 * an attempt is begun once, and after `mark down` none goes on; a run may still wait to be tried again. Pure;
 * never takes MARK's word for its policies.
 */
import type { JournalEvent } from './journal.ts'

export interface JobTrail {
  readonly problems: readonly string[]
  /** Names of all jobs that had a run. */
  readonly jobs: ReadonlySet<string>
  readonly attempts: number
  /** How many runs ended so. */
  readonly outcomes: Readonly<Record<string, number>>
}

export function jobTrailOf(events: readonly JournalEvent[]): JobTrail {
  const told = events.filter(event => event.kind.startsWith('job_'))
  const jobs = new Set(told.map(event => event.module as string))
  const begun = events.filter(event => event.kind === 'started' && jobs.has(event.module ?? ''))
  const problems: string[] = []
  const outcomes: Record<string, number> = {}
  for (const [id, rows] of Map.groupBy(told, event => event.run_id as string)) {
    const name = `${rows[0]?.module} ${id}`
    // The keeper may tell of one row twice, but not in two ways.
    const ends = new Set(rows.filter(row => row.kind === 'job_ended').map(row => JSON.stringify(row.data)))
    if (ends.size > 1) problems.push(`${name}: ended in ${ends.size} ways`)
    const attempts = (rows.at(-1)?.data.attempts ?? []) as { ended_ms: number | null }[]
    if (attempts.at(-1)?.ended_ms === null) problems.push(`${name}: its attempt never ended`)
    const end = rows.find(row => row.kind === 'job_ended')
    if (end) outcomes[String(end.data.outcome)] = (outcomes[String(end.data.outcome)] ?? 0) + 1
  }
  const planned = told.filter(({ data }) => data.trigger === 'schedule' || data.trigger === 'catch_up')
  for (const [instant, rows] of Map.groupBy(planned, ({ module, data }) => `${module} ${data.nominal}`)) {
    const runs = new Set(rows.map(row => row.run_id))
    if (runs.size > 1) problems.push(`${instant}: ${runs.size} runs of one instant`)
  }
  for (const [id, starts] of Map.groupBy(begun, event => event.run_id as string)) {
    if (starts.length > 1)
      problems.push(`${starts[0]?.module} ${id}: an attempt was begun ${starts.length} times`)
  }
  return { problems, jobs, attempts: begun.length, outcomes }
}
