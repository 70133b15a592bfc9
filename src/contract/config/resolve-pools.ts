/** `pools:` and the jobs in them: every pool that is named is there, and serves a job. */
import { formatPath, keyPlaceAt, type Path } from './located.ts'
import { didYouMean } from './problem.ts'
import type { JobInput } from './schema-job.ts'
import { problemAt, type Scope } from './scope.ts'

export function poolAt(
  scope: Scope,
  path: Path,
  pool: string | undefined,
  known: readonly string[],
): string | null {
  if (pool === undefined) return null
  if (!known.includes(pool)) {
    const hint = didYouMean(pool, known) ?? `declare it: \`pools: { ${pool}: 2 }\``
    problemAt(scope, path, `there is no pool \`${pool}\``, hint)
  }
  return pool
}

export function warnOfIdlePools(scope: Scope, known: readonly string[], jobs: Iterable<JobInput>): void {
  const used = new Set([...jobs].map(job => job.pool))
  for (const pool of known) {
    if (used.has(pool)) continue
    const path = ['pools', pool]
    scope.report.warn({
      at: keyPlaceAt(scope.tree, path),
      path: formatPath(path),
      message: `no job is in the pool \`${pool}\``,
      hint: `name it in a job: \`pool: ${pool}\``,
    })
  }
}
