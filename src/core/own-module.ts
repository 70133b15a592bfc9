/**
 * What MARK's own modules have in common: they live by the same table as every other, come back within a
 * second, for ever, and a spent budget means slow, never held.
 */
import type { ModuleSpec } from './plan.ts'

type Given = Pick<ModuleSpec, 'name' | 'argv' | 'workingDir' | 'environment' | 'ready' | 'watchdogMs'>

export interface OwnTerms {
  readonly resetAfterMs: number
  readonly graceMs: number
  readonly log: Pick<ModuleSpec['log'], 'keep' | 'quotaBytes' | 'rotate'>
}

export function ownModule(given: Given, { resetAfterMs, graceMs, log }: OwnTerms): ModuleSpec {
  return {
    ...given,
    kind: 'service',
    envFiles: [],
    envDigest: '',
    secrets: [],
    user: null,
    umask: null,
    ulimits: {},
    limits: { memoryBytes: null, cpus: null, pids: null, onMemory: 'restart' },
    dependsOn: [],
    health: null,
    heartbeat: null,
    silenceMs: null,
    recover: null,
    restart: {
      policy: 'always',
      delayMs: 50,
      multiplier: 2,
      maxDelayMs: 1000,
      jitter: 0.1,
      resetAfterMs,
      budget: [{ count: 60, windowMs: 60_000 }],
      whenSpent: 'slow',
    },
    stop: { signal: 'SIGTERM', graceMs, before: null, verify: null, orders: 'leave' },
    log: { maxSizeBytes: 10_000_000, reserveBytes: 0, levelPattern: null, ...log },
    lock: null,
    backend: 'process',
    preset: null,
  }
}
