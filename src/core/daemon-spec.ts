/**
 * The daemon as a module: the keeper's child number one lives by the same table as every other. Its spent
 * budget means slow, never held.
 */
import { DAEMON } from './child-name.ts'
import type { ModuleSpec } from './plan.ts'

export function daemonSpec(
  argv: readonly string[],
  workingDir: string,
  environment: Readonly<Record<string, string>>,
): ModuleSpec {
  return {
    name: DAEMON,
    kind: 'service',
    argv,
    workingDir,
    environment,
    envFiles: [],
    envDigest: '',
    secrets: [],
    user: null,
    umask: null,
    ulimits: {},
    limits: { memoryBytes: null, cpus: null, pids: null, onMemory: 'restart' },
    dependsOn: [],
    ready: { kind: 'delay', delayMs: 1000 },
    health: null,
    watchdogMs: null,
    heartbeat: null,
    silenceMs: null,
    recover: null,
    restart: {
      policy: 'always',
      delayMs: 50,
      multiplier: 2,
      maxDelayMs: 1000,
      jitter: 0.1,
      resetAfterMs: 10_000,
      budget: [{ count: 60, windowMs: 60_000 }],
      whenSpent: 'slow',
    },
    stop: { signal: 'SIGTERM', graceMs: 2000, before: null, verify: null, orders: 'leave' },
    log: {
      maxSizeBytes: 10_000_000,
      keep: 1,
      quotaBytes: 20_000_000,
      reserveBytes: 0,
      rotate: 'rename',
      levelPattern: null,
    },
    lock: null,
    backend: 'process',
    preset: null,
  }
}
