/**
 * The plan: what one mark.yaml asks for, fully resolved, as the keeper keeps it in plan.json. All paths are
 * absolute, all defaults filled in, all durations in milliseconds. It names secrets and where they come from,
 * never a value.
 */
import type { CalendarData } from './jobs/calendar.ts'
import type { JobPlan, WhenSpec } from './jobs/job-plan.ts'

export type Mode = 'TEST' | 'REAL' | 'DEBUG'
export type Autonomy = 'AUTO' | 'MANUAL' | 'VIRTUAL'
export type Strategy = 'COWARD' | 'NORMAL' | 'RAGE' | 'FUNKY'
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

export type SecretSource =
  | { readonly kind: 'env'; readonly name: string; readonly modes: readonly Mode[] | null }
  | { readonly kind: 'file'; readonly path: string; readonly modes: readonly Mode[] | null }
  | { readonly kind: 'exec'; readonly argv: readonly string[]; readonly modes: readonly Mode[] | null }
  | { readonly kind: 'credential'; readonly name: string; readonly modes: readonly Mode[] | null }

export interface GroupSpec {
  readonly modules: readonly string[]
  readonly onFailure: 'one_for_one' | 'one_for_all' | 'rest_for_one'
}

export interface LinkPlan {
  /** URL of a broker elsewhere; null: MARK's own. */
  readonly broker: string | null
  /** host:port of MARK's own, besides its unix socket. */
  readonly listen: string | null
}

export interface Plan {
  readonly version: 1
  readonly fleet: string
  /** Directory of mark.yaml. */
  readonly root: string
  readonly configFile: string
  readonly mode: Mode
  readonly autonomy: Autonomy
  readonly strategy: Strategy
  readonly timezone: string
  /** PATH HOME LANG ... of the first `up` (SPEC 5): kept, and not part of the difference. */
  readonly baseEnvironment: Readonly<Record<string, string>>
  /** The fleet's own env files: what looks like a secret in them reaches only modules that list it. */
  readonly fleetEnvFiles: readonly string[]
  readonly secrets: Readonly<Record<string, SecretSource>>
  readonly start: { readonly atomic: boolean; readonly deadlineMs: number }
  readonly retention: {
    readonly eventsMs: number
    readonly samplesMs: number
    readonly logsMs: number
  }
  readonly groups: Readonly<Record<string, GroupSpec>>
  /** null: modules have no link. A plan of an earlier version does not say. */
  readonly link?: LinkPlan | null
  /** In dependency order: every module stands after all it depends on. */
  readonly modules: readonly ModuleSpec[]
  /** Upstream first. A plan of an earlier version has none. */
  readonly jobs?: readonly JobPlan[]
  /** Places of each pool. */
  readonly pools?: Readonly<Record<string, number>>
  /** Those that a `when` names. */
  readonly calendars?: Readonly<Record<string, CalendarData>>
  /** Sections that are validated but not active in this version, e.g. `jobs`. */
  readonly inactive: readonly string[]
}

export function realMoney(plan: Pick<Plan, 'mode' | 'autonomy'>): boolean {
  return plan.mode === 'REAL' && plan.autonomy !== 'VIRTUAL'
}

/** Fields whose change needs a new process; every other field takes effect in the running one. */
const PROCESS_FIELDS = [
  'kind',
  'argv',
  'workingDir',
  'environment',
  'envFiles',
  'envDigest',
  'secrets',
  'user',
  'umask',
  'ulimits',
  'limits',
  'watchdogMs',
  'lock',
  'backend',
  'preset',
] as const satisfies readonly (keyof ModuleSpec)[]

export type ChangeKind = 'start' | 'restart' | 'update' | 'stop' | 'keep'

export interface Change {
  readonly module: string
  readonly change: ChangeKind
  /** Why, for a person: `new`, `environment changed`, `removed from the config`. */
  readonly reason: string
}

/**
 * What applying `next` over `current` does to each module, in next's order, removed ones last. Only compares;
 * whether a kept module needs a start is the keeper's to say.
 */
export function difference(current: Plan | null, next: Plan): Change[] {
  const before = new Map((current?.modules ?? []).map(spec => [spec.name, spec]))
  const changes = next.modules.map(spec => compare(before.get(spec.name), spec))
  const after = new Set(next.modules.map(spec => spec.name))
  for (const name of before.keys()) {
    if (!after.has(name)) changes.push({ module: name, change: 'stop', reason: 'removed from the config' })
  }
  return changes
}

function compare(old: ModuleSpec | undefined, spec: ModuleSpec): Change {
  if (!old) return { module: spec.name, change: 'start', reason: 'new' }
  const keys = Object.keys(spec) as (keyof ModuleSpec)[]
  const changed = keys.filter(key => canonical(old[key]) !== canonical(spec[key]))
  const process = changed.filter(key => (PROCESS_FIELDS as readonly string[]).includes(key))
  if (process.length > 0)
    return { module: spec.name, change: 'restart', reason: `${process.map(snake).join(', ')} changed` }
  if (changed.length > 0)
    return { module: spec.name, change: 'update', reason: `${changed.map(snake).join(', ')} changed` }
  return { module: spec.name, change: 'keep', reason: 'unchanged' }
}

/** JSON with sorted keys: equal values give equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
