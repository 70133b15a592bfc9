/**
 * The broker as a module of the fleet (docs/link.md): declared by `link:` and not by the user, and the only
 * module that is MARK's own. It comes back within a second, for ever: what it forgets its clients say again.
 * One that hangs is gone before they forget: watchdog, grace, start and its first second are less than 10 s.
 */
import type { ModuleSpec, Plan } from './plan.ts'

export const LINK = 'link'
/** The variable that holds its settings, as JSON. */
export const LINK_SETTINGS = 'MARK_LINK_SETTINGS'

/** No secret is among them. */
export interface LinkSettings {
  readonly publish: Readonly<Record<string, readonly string[]>>
  readonly subscribe: Readonly<Record<string, readonly string[]>>
  /** host:port of loopback, besides the unix socket. */
  readonly listen: string | null
}

/** Whether MARK wrote the program that runs under this name. */
export function isBuiltIn(plan: Partial<Pick<Plan, 'link'>>, module: string): boolean {
  return module === LINK && plan.link != null && plan.link.broker === null
}

export function linkSpec(argv: readonly string[], workingDir: string, settings: LinkSettings): ModuleSpec {
  return {
    name: LINK,
    kind: 'service',
    argv,
    workingDir,
    environment: { [LINK_SETTINGS]: JSON.stringify(settings) },
    envFiles: [],
    envDigest: '',
    secrets: [],
    user: null,
    umask: null,
    ulimits: {},
    limits: { memoryBytes: null, cpus: null, pids: null, onMemory: 'restart' },
    dependsOn: [],
    ready: { kind: 'notify', timeoutMs: 30_000 },
    health: null,
    watchdogMs: 5000,
    heartbeat: null,
    silenceMs: null,
    recover: null,
    restart: {
      policy: 'always',
      delayMs: 50,
      multiplier: 2,
      maxDelayMs: 1000,
      jitter: 0.1,
      resetAfterMs: 5000,
      budget: [{ count: 60, windowMs: 60_000 }],
      whenSpent: 'slow',
    },
    stop: { signal: 'SIGTERM', graceMs: 1000, before: null, verify: null, orders: 'leave' },
    log: {
      maxSizeBytes: 10_000_000,
      keep: 3,
      quotaBytes: 50_000_000,
      reserveBytes: 0,
      rotate: 'ring',
      levelPattern: null,
    },
    lock: null,
    backend: 'process',
    preset: null,
  }
}
