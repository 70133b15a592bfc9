/**
 * What mark.yaml asks of one module, or of one attempt of a job, fully resolved: all defaults filled in, all
 * durations in milliseconds. It names secrets, never a value.
 */
import type { WhenSpec } from './jobs/when-spec.ts'

export type Kind = 'service' | 'task'
export type Condition = 'started' | 'ready' | 'completed'

export interface Dependency {
  readonly name: string
  readonly condition: Condition
}

export type ReadySpec =
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'notify'; readonly timeoutMs: number }
  | (Probe & { readonly timeoutMs: number; readonly intervalMs: number })
  | { readonly kind: 'log'; readonly pattern: string; readonly timeoutMs: number }

/** One question about a module; a probe's own answer must come within the timeout of its user. */
export type Probe =
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'exec'; readonly argv: readonly string[] }

export interface HealthSpec {
  readonly probe: Probe
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly failures: number
  readonly startPeriodMs: number
  readonly action: HealthAction
}
export type HealthAction = 'restart' | 'recover' | 'alert'

/** What is done with a module that goes on being stale, each so long after it turned so; null: never. */
export interface LadderSpec {
  readonly pauseMs: number | null
  readonly recoverMs: number | null
  readonly restartMs: number | null
}

/** What is expected of the heartbeats that a module sends on MARK_SOCKET, once one came. */
export interface HeartbeatSpec {
  readonly timeoutMs: number
  readonly maxDataAgeMs: number | null
  /** When data may be held to be too old, in the fleet's zone; absent: always. */
  readonly when?: WhenSpec
  /** A trading state. */
  readonly expectState: string | null
  /** Absent in a plan of a version before: off. */
  readonly ladder?: LadderSpec
}

/** At most `count` restarts after failures in any `windowMs`. */
export interface Budget {
  readonly count: number
  readonly windowMs: number
}

export interface RestartSpec {
  readonly policy: 'always' | 'on-failure' | 'never'
  readonly delayMs: number
  readonly multiplier: number
  readonly maxDelayMs: number
  readonly jitter: number
  readonly resetAfterMs: number
  readonly budget: readonly Budget[]
  readonly whenSpent: 'slow' | 'hold' | 'reboot'
}

export interface StopSpec {
  readonly signal: string
  readonly graceMs: number
  readonly before: readonly string[] | null
  readonly verify: readonly string[] | null
  readonly orders: 'leave' | 'cancel' | 'flatten'
}

export interface LogSpec {
  readonly maxSizeBytes: number
  readonly keep: number
  readonly quotaBytes: number
  readonly reserveBytes: number
  readonly rotate: 'ring' | 'rename'
  readonly levelPattern: string | null
}

export interface LimitSpec {
  readonly memoryBytes: number | null
  readonly cpus: number | null
  readonly pids: number | null
  readonly onMemory: 'restart' | 'hold'
}

export interface ModuleSpec {
  readonly name: string
  readonly kind: Kind
  /** argv[0] is an absolute path, or a name found on the module's PATH at spawn. */
  readonly argv: readonly string[]
  readonly workingDir: string
  /** Declared variables, virtualenv activation and MODE AUTONOMY STRATEGY; wins over envFiles. */
  readonly environment: Readonly<Record<string, string>>
  /** Fleet's files first, then the module's; read by the keeper at each spawn. A missing file refuses it. */
  readonly envFiles: readonly string[]
  /** SHA-256 over the env files' bytes when the plan was made: a changed file is a changed module. */
  readonly envDigest: string
  readonly secrets: readonly string[]
  readonly user: string | null
  readonly umask: string | null
  readonly ulimits: Readonly<Record<string, number>>
  readonly limits: LimitSpec
  readonly dependsOn: readonly Dependency[]
  readonly ready: ReadySpec
  readonly health: HealthSpec | null
  /** WATCHDOG_USEC handed to the module; the keeper enforces it once the first WATCHDOG=1 came. */
  readonly watchdogMs: number | null
  /** null: off. */
  readonly heartbeat: HeartbeatSpec | null
  readonly silenceMs: number | null
  readonly recover: { readonly argv: readonly string[]; readonly timeoutMs: number } | null
  readonly restart: RestartSpec
  readonly stop: StopSpec
  readonly log: LogSpec
  readonly lock: string | null
  readonly backend: string
  readonly preset: string | null
}
