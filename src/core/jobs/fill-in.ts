/**
 * What a run fills into the texts of its job: `${params.NAME}` and `${jobs.NAME.outputs.NAME}`. Filled in
 * once: what is filled in is never read again, so that no value can ask for another.
 */
import type { JobPlan } from './job-plan.ts'
import type { JobRow } from './job-row.ts'

export interface Filled {
  readonly argv: readonly string[]
  readonly variables: Readonly<Record<string, string>>
}

export type FillAnswer =
  | { readonly ok: true; readonly filled: Filled }
  | { readonly ok: false; readonly why: string }

const REFERENCE = /\$\{((?:jobs|params)\.[^}]*)\}/g

/** `outputsOf`: what a job printed in its last run that succeeded. */
export function fillIn(
  job: JobPlan,
  row: JobRow,
  attemptId: string,
  outputsOf: (job: string) => Readonly<Record<string, string>>,
): FillAnswer {
  const missing: string[] = []
  const output = (inner: string): string => {
    const [, name = '', key = ''] = /^jobs\.([^.]+)\.outputs\.([^.]+)$/.exec(inner) ?? []
    const value = outputsOf(name)[key]
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
  }
  return { ok: true, filled: { argv, variables: { ...environment, ...params, ...own } } }
}

function mapped(
  texts: Readonly<Record<string, string>>,
  change: (text: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, change(text)]))
}
