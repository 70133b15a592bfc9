/**
 * What a run fills into the texts of its job: `${params.NAME}` and `${jobs.NAME.outputs.NAME}`. Filled in
 * once: what is filled in is never read again, so that no value can ask for another.
 */
import type { JobBook } from './job-book.ts'
import type { JobPlan } from './job-plan.ts'
import { isOpen, type JobRow } from './job-row.ts'

export interface Filled {
  readonly argv: readonly string[]
  readonly variables: Readonly<Record<string, string>>
}

export type FillAnswer =
  | { readonly ok: true; readonly filled: Filled }
  | { readonly ok: false; readonly why: string }

const REFERENCE = /\$\{((?:jobs|params)\.[^}]*)\}/g

/** Outputs are those of a job's last run that succeeded. */
export function fillIn(
  job: JobPlan,
  row: JobRow,
  attemptId: string,
  book: Pick<JobBook, 'memory' | 'rows'>,
): FillAnswer {
  const missing: string[] = []
  const output = (inner: string): string => {
    const [, name = '', key = ''] = /^jobs\.([^.]+)\.outputs\.([^.]+)$/.exec(inner) ?? []
    const value = book.memory(name).outputs[key]
    if (value === undefined) missing.push(`${name} has printed no ${key} yet`)
    return value ?? ''
  }
  const params = mapped(row.params, text =>
    text.replace(REFERENCE, (whole, inner: string) => (inner.startsWith('jobs.') ? output(inner) : whole)),
  )
  const fill = (text: string): string =>
    text.replace(REFERENCE, (_, inner: string) =>
      inner.startsWith('params.') ? (params[inner.slice('params.'.length)] ?? '') : output(inner),
    )
  const argv = job.start.argv.map(fill)
  const environment = mapped(job.start.environment, fill)
  if (missing.length > 0) return { ok: false, why: [...new Set(missing)].join('; ') }
  const own = {
    MARK_JOB_RUN_ID: row.run_id,
    MARK_JOB_TRIGGER: row.trigger,
    MARK_JOB_NOMINAL: row.nominal ?? '',
    MARK_JOB_ATTEMPT_ID: attemptId,
    MARK_JOB_UPSTREAM: upstreamText(row, book),
  }
  return { ok: true, filled: { argv, variables: { ...environment, ...params, ...own } } }
}

/** `luka=succeeded roko=failed`: how the runs ended after which it comes. */
function upstreamText({ upstream }: JobRow, book: Pick<JobBook, 'memory' | 'rows'>): string {
  const ends = Object.entries(upstream).map(([job, runId]) => {
    const row = book.rows.get(runId)
    if (row && !isOpen(row)) return `${job}=${row.outcome}`
    const { last } = book.memory(job)
    return `${job}=${last?.run_id === runId ? last.outcome : 'unknown'}`
  })
  return ends.join(' ')
}

function mapped(
  texts: Readonly<Record<string, string>>,
  change: (text: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, change(text)]))
}
