/**
 * What one attempt of a job starts: a task that nothing asks after, and that is never restarted, because
 * `retry` and `timeout` say what becomes of it. `defaults:` of modules do not reach it.
 */
import type { ModuleSpec } from '../../core/plan.ts'
import { processAt, type Resolved, surroundingsOf } from './resolve-process.ts'
import type { JobInput } from './schema-job.ts'
import type { Scope } from './scope.ts'

const NEVER_RESTARTED: ModuleSpec['restart'] = {
  policy: 'never',
  delayMs: 0,
  multiplier: 1,
  maxDelayMs: 0,
  jitter: 0,
  resetAfterMs: 0,
  budget: [],
  whenSpent: 'hold',
}

export function resolveStart(scope: Scope, name: string, input: JobInput): Resolved {
  const at = ['jobs', name]
  const around = surroundingsOf(scope, at, input)
  const spec: ModuleSpec = {
    name,
    kind: 'task',
    ...processAt(scope, at, input, around),
    dependsOn: [],
    ready: { kind: 'delay', delayMs: 0 },
    health: null,
    watchdogMs: null,
    heartbeat: null,
    silenceMs: null,
    recover: null,
    restart: NEVER_RESTARTED,
    lock: null,
    backend: 'process',
    preset: null,
  }
  return { at, spec, envFiles: around.envFiles, virtualenv: around.virtualenv }
}
