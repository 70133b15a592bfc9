/**
 * `after:` of jobs: every name must be there, once, and nothing may wait for itself. Gives the order in which
 * every job stands after those it runs after.
 */
import type { AfterSpec } from '../../core/jobs/job-plan.ts'
import { formatPath, keyPlaceAt, type Path, placeAt } from './located.ts'
import { inDependencyOrder } from './order.ts'
import { didYouMean } from './problem.ts'
import type { JobInput } from './schema-job.ts'
import { problemAtKey, type Scope } from './scope.ts'

type Inputs = ReadonlyMap<string, JobInput>

/** The names of `inputs`, upstream first; as declared when jobs wait for each other, which is said. */
export function upstreamFirst(scope: Scope, names: readonly string[], inputs: Inputs): readonly string[] {
  for (const [name, { after }] of inputs) if (after !== undefined) checkNames(scope, names, name, after)
  const ordered = inDependencyOrder([...inputs.keys()], name => upstreamOf(inputs.get(name)?.after ?? []))
  if (ordered.ok) return ordered.names
  const [first = '', second = ''] = ordered.cycle
  const after = inputs.get(first)?.after ?? []
  const path = linkPath(first, after, upstreamOf(after).indexOf(second), second)
  const message =
    first === second
      ? `\`${first}\` would run after itself`
      : `jobs run after each other: ${ordered.cycle.join(' -> ')}`
  sayAt(scope, path, message, 'remove one of these, or give one job a `schedule:`')
  return [...inputs.keys()]
}

export function afterOf({ after, join }: JobInput): AfterSpec | null {
  if (after === undefined) return null
  const upstream = Array.isArray(after)
    ? after.map(job => ({ job, on: 'success' as const, delayMs: 0 }))
    : Object.entries(after).map(([job, { on, delay }]) => ({ job, on, delayMs: delay }))
  return { join, upstream }
}

type After = NonNullable<JobInput['after']>

function checkNames(scope: Scope, names: readonly string[], name: string, after: After): void {
  const all = upstreamOf(after)
  if (all.length === 0) {
    const hint = 'name the jobs, or remove it: then it runs by hand'
    problemAtKey(scope, ['jobs', name, 'after'], '`after` names no job', hint)
  }
  for (const [index, earlier] of all.entries()) {
    const path = linkPath(name, after, index, earlier)
    if (all.indexOf(earlier) < index) {
      sayAt(scope, path, `\`${earlier}\` is named twice`, 'remove one of them')
    }
    if (names.includes(earlier)) continue
    const hint = scope.moduleNames.includes(earlier)
      ? 'that is a module: a job runs after jobs'
      : didYouMean(earlier, names)
    sayAt(scope, path, `there is no job \`${earlier}\``, hint)
  }
}

function upstreamOf(after: After): string[] {
  return Array.isArray(after) ? after : Object.keys(after)
}

function linkPath(name: string, after: After, index: number, earlier: string): Path {
  return ['jobs', name, 'after', Array.isArray(after) ? index : earlier]
}

function sayAt(scope: Scope, path: Path, message: string, hint: string | null): void {
  const isEntry = typeof path.at(-1) === 'number'
  const at = isEntry ? placeAt(scope.tree, path) : keyPlaceAt(scope.tree, path)
  scope.report.error({ at, path: formatPath(path), message, hint })
}
