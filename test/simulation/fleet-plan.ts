/** Plans for tests: small modules with every default that matters spelled out. */
import type { ModuleSpec, Plan } from '../../src/core/plan.ts'

export function moduleSpec(name: string, over: Partial<ModuleSpec> = {}): ModuleSpec {
  return {
    name,
    kind: 'service',
    argv: ['true'],
    workingDir: '/',
    environment: {},
    envFiles: [],
    envDigest: '',
    secrets: [],
    user: null,
    umask: null,
    ulimits: {},
    limits: { memoryBytes: null, cpus: null, pids: null, onMemory: 'restart' },
    dependsOn: [],
    ready: { kind: 'notify', timeoutMs: 60_000 },
    health: null,
    watchdogMs: null,
    heartbeat: null,
    silenceMs: null,
    recover: null,
    restart: {
      policy: 'always',
      delayMs: 1000,
      multiplier: 2,
      maxDelayMs: 60_000,
      jitter: 0.1,
      resetAfterMs: 600_000,
      budget: [{ count: 5, windowMs: 600_000 }],
      whenSpent: 'slow',
    },
    stop: { signal: 'SIGTERM', graceMs: 5000, before: null, verify: null, orders: 'leave' },
    log: {
      maxSizeBytes: 1e6,
      keep: 2,
      quotaBytes: 1e7,
      reserveBytes: 0,
      rotate: 'rename',
      levelPattern: null,
    },
    lock: null,
    backend: 'process',
    preset: null,
    ...over,
  }
}

export function plan(modules: readonly ModuleSpec[], over: Partial<Plan> = {}): Plan {
  return {
    version: 1,
    fleet: 'test',
    root: '/',
    configFile: '/mark.yaml',
    mode: 'TEST',
    autonomy: 'VIRTUAL',
    strategy: 'NORMAL',
    timezone: 'UTC',
    baseEnvironment: {},
    fleetEnvFiles: [],
    secrets: {},
    start: { atomic: false, deadlineMs: 300_000 },
    retention: { eventsMs: 1e9, samplesMs: 1e9, logsMs: 1e9 },
    groups: {},
    modules,
    inactive: [],
    ...over,
  }
}
