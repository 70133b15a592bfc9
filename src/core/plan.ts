/**
 * The plan: what one mark.yaml asks for, fully resolved, as the keeper keeps it in plan.json. All paths are
 * absolute, all defaults filled in, all durations in milliseconds. It names secrets and where they come from,
 * never a value.
 */
import type { CalendarData } from './jobs/calendar.ts'
import type { JobPlan } from './jobs/job-plan.ts'
import type { ModuleSpec } from './module-spec.ts'

export type Mode = 'TEST' | 'REAL' | 'DEBUG'
export type Autonomy = 'AUTO' | 'MANUAL' | 'VIRTUAL'
export type Strategy = 'COWARD' | 'NORMAL' | 'RAGE' | 'FUNKY'
export type {
  Kind,
  Condition,
  Dependency,
  ReadySpec,
  Probe,
  HealthSpec,
  HealthAction,
  LadderSpec,
  HeartbeatSpec,
  Budget,
  RestartSpec,
  StopSpec,
  LogSpec,
  LimitSpec,
  ModuleSpec,
} from './module-spec.ts'

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
  /** Those that some `when:` names, by name. */
  readonly calendars?: Readonly<Record<string, CalendarData>>
  /** Places of each pool. */
  readonly pools?: Readonly<Record<string, number>>
  /** Sections that are validated but not active in this version, e.g. `panel`. */
  readonly inactive: readonly string[]
}

/** Of all programs that the plan may start. */
export function startedSpecs(plan: Plan): readonly ModuleSpec[] {
  return [...plan.modules, ...(plan.jobs ?? []).map(job => job.start)]
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
