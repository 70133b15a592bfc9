/**
 * What the end of a run means for the jobs that run after it: each is run, marked as skipped because of what
 * came before, or waits for its other upstreams. Promises: the same ends give the same rows.
 */
import { admit } from './admit.ts'
import type { Arrival, JobOp } from './job-book.ts'
import type { JobPlan, Upstream } from './job-plan.ts'
import { type EndOutcome, isOpen, type JobRow } from './job-row.ts'
import { rowOf, type Scheduling, type Wish } from './scheduling.ts'

export interface End extends Arrival {
  readonly job: string
}

const FAILURES: ReadonlySet<EndOutcome> = new Set(['failed', 'timed_out', 'lost'])
const RAN: ReadonlySet<EndOutcome> = new Set([...FAILURES, 'succeeded', 'cancelled'])

/** Ends, and what follows from what follows. */
export function ripple(ends: readonly End[], given: Scheduling): JobOp[] {
  const ops: JobOp[] = []
  const arrivals = new Map<string, Readonly<Record<string, Arrival>>>()
  const rows: JobRow[] = []
  const todo = [...ends]
  for (let end = todo.shift(); end !== undefined; end = todo.shift()) {
    for (const job of given.jobs.values()) {
      const edge = job.after?.upstream.find(upstream => upstream.job === end?.job)
      if (!job.after || !edge) continue
      const { run_id, outcome } = end
      const before = arrivals.get(job.name) ?? given.book.memory(job.name).arrivals
      const now = { ...before, [end.job]: { run_id, outcome } }
      const answer = join(job, edge, now)
      const left = answer === 'wait' ? now : {}
      arrivals.set(job.name, left)
      ops.push({ op: 'arrived', job: job.name, arrivals: left })
      if (answer === 'wait' || answer === 'nothing') continue
      const admission = follow(job, answer, now, given, rows)
      ops.push(...admission.ops, { op: 'row', row: admission.row })
      rows.push(admission.row)
      const { run_id: id, outcome: out } = admission.row
      if (!isOpen(admission.row)) todo.push({ job: job.name, run_id: id, outcome: out as EndOutcome })
    }
  }
  return ops
}

type Answer = 'run' | 'skip' | 'wait' | 'nothing'

function join({ after }: JobPlan, edge: Upstream, arrived: Readonly<Record<string, Arrival>>): Answer {
  const { join: rule, upstream } = after as NonNullable<JobPlan['after']>
  const holds = ({ job, on }: Upstream): boolean => fits(on, arrived[job]?.outcome)
  if (rule === 'any' && holds(edge)) return 'run'
  if (upstream.some(({ job }) => arrived[job] === undefined)) return 'wait'
  if (rule === 'all' && upstream.every(holds)) return 'run'
  if (rule === 'none_failed') {
    const outcomes = upstream.map(({ job }) => arrived[job]?.outcome as EndOutcome)
    const failed = outcomes.some(outcome => FAILURES.has(outcome) || outcome === 'cancelled')
    return !failed && outcomes.includes('succeeded') ? 'run' : 'skip'
  }
  // A branch for failures that had nothing to do leaves no row.
  return upstream.every(({ on }) => on === 'failure') ? 'nothing' : 'skip'
}

function fits(on: Upstream['on'], outcome: EndOutcome | undefined): boolean {
  if (outcome === undefined) return false
  if (on === 'any') return RAN.has(outcome)
  return on === 'success' ? outcome === 'succeeded' : FAILURES.has(outcome)
}

function follow(
  job: JobPlan,
  answer: 'run' | 'skip',
  arrived: Readonly<Record<string, Arrival>>,
  given: Scheduling,
  rows: readonly JobRow[],
): { row: JobRow; ops: readonly JobOp[] } {
  const edges = job.after?.upstream ?? []
  const delays = edges.filter(edge => fits(edge.on, arrived[edge.job]?.outcome)).map(edge => edge.delayMs)
  const upstream = Object.fromEntries(Object.entries(arrived).map(([name, { run_id }]) => [name, run_id]))
  const wish: Wish = {
    trigger: 'after',
    by: Object.keys(upstream).join(', '),
    nominal: null,
    dueMs: given.nowMs + Math.max(0, ...delays),
    params: {},
    upstream,
  }
  if (answer === 'run') return admit(job, wish, given, rows)
  const why = edges.flatMap(({ job: name }) => {
    const outcome = arrived[name]?.outcome
    return outcome === undefined || outcome === 'succeeded' ? [] : [`${name}: ${outcome}`]
  })
  const end = { outcome: 'skipped_upstream', reason: why.join(', ') } as const
  return { row: rowOf(job, wish, given, end), ops: [] }
}
