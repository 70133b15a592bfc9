/** `retry:` and `timeout:` of a job: they must leave room for each other. */
import type { JobPlan, RetrySpec } from '../../core/jobs/job-plan.ts'
import { formatDuration } from '../../core/time.ts'
import { formatPath, keyPlaceAt, nodeAt, type Path } from './located.ts'
import type { JobInput } from './schema-job.ts'
import { problemAt, type Scope } from './scope.ts'

export function retryAt(scope: Scope, at: Path, input: JobInput['retry']): RetrySpec {
  const { limit, delay, multiplier, max_delay, on_exit } = input
  if (max_delay !== undefined && max_delay < delay) {
    const message = `max_delay ${formatDuration(max_delay)} is less than delay ${formatDuration(delay)}`
    problemAt(scope, [...at, 'max_delay'], message, 'make max_delay the larger one')
  }
  const node = nodeAt(scope.tree, at)
  if (node?.kind === 'map' && node.entries.size > 0 && !node.entries.has('limit')) {
    const message = 'nothing is tried again: `limit` is 0 unless you say more'
    const hint = 'add `limit: 2` for two further attempts'
    scope.report.warn({ at: keyPlaceAt(scope.tree, at), path: formatPath(at), message, hint })
  }
  return { limit, delayMs: delay, multiplier, maxDelayMs: max_delay ?? null, onExit: on_exit }
}

export function timeoutAt(
  scope: Scope,
  at: Path,
  { attempt, run }: JobInput['timeout'],
  retry: RetrySpec,
): JobPlan['timeout'] {
  if (run !== undefined && attempt !== undefined && run < attempt) {
    const message = `run ${formatDuration(run)} is less than attempt ${formatDuration(attempt)}`
    problemAt(scope, [...at, 'run'], message, 'a run is all attempts together: make it the larger one')
  } else if (run !== undefined && retry.limit > 0) {
    const waits = waitsMs(retry)
    const long = formatDuration(waits)
    const message = `the last attempt can never start: the waits of \`retry\` alone take ${long}`
    const hint = `write more than ${long}, or lower limit, delay or max_delay`
    if (waits >= run) problemAt(scope, [...at, 'run'], message, hint)
  }
  return { attemptMs: attempt ?? null, runMs: run ?? null }
}

const COUNTED = 1000

/** All waits together; of more than a thousand at least so much. */
function waitsMs({ limit, delayMs, multiplier, maxDelayMs }: RetrySpec): number {
  const longest = Math.min(maxDelayMs ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  let [sum, delay] = [0, delayMs]
  for (let count = 0; count < Math.min(limit, COUNTED); count++) {
    sum += delay
    delay = Math.min(delay * multiplier, longest)
  }
  return Math.min(sum + Math.max(0, limit - COUNTED) * delay, Number.MAX_SAFE_INTEGER)
}
