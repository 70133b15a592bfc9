/**
 * What mark.yaml asks of one job, fully resolved: its schedule, what it starts, and the policies that decide
 * about a run. Part of the plan. All durations in milliseconds.
 */
import type { ModuleSpec } from '../module-spec.ts'
import type { JobSpec } from '../schedule.ts'
import type { WhenSpec } from './when-spec.ts'

export type Overlap = 'skip' | 'queue' | 'cancel_previous' | 'kill_previous' | 'allow'

/** What becomes of instants that passed while nobody could start them; null: no bound. */
export type MissedPolicy =
  | { readonly kind: 'none' | 'latest' | 'ask' }
  | { readonly kind: 'all'; readonly max: number | null; readonly windowMs: number | null }

export interface RetrySpec {
  /** Further attempts after the first. */
  readonly limit: number
  readonly delayMs: number
  readonly multiplier: number
  readonly maxDelayMs: number | null
  /** Exit codes after which it is tried again; a signal, a timeout, a refused start: with `any` only. */
  readonly onExit: 'any' | readonly number[]
}

/** One job that this one runs after. */
export interface Upstream {
  readonly job: string
  readonly on: 'success' | 'failure' | 'any'
  readonly delayMs: number
}

export interface AfterSpec {
  readonly join: 'all' | 'any' | 'none_failed'
  readonly upstream: readonly Upstream[]
}

/** A time of day by which it must be done. */
export interface FinishBy {
  readonly minute: number
  readonly timezone: string
}

export interface JobPlan extends JobSpec {
  /** What one attempt starts: a task that is never restarted. Its texts may hold `${jobs.N.outputs.N}`. */
  readonly start: ModuleSpec
  readonly overlap: Overlap
  readonly missed: MissedPolicy
  /** A run that would start later than this after its instant is refused; null: none. */
  readonly deadlineMs: number | null
  readonly timeout: { readonly attemptMs: number | null; readonly runMs: number | null }
  readonly retry: RetrySpec
  readonly jitterMs: number
  readonly pool: string | null
  readonly when: WhenSpec | null
  readonly after: AfterSpec | null
  readonly finishBy: FinishBy | null
  readonly params: Readonly<Record<string, string>>
  readonly outputs: readonly string[]
}

/** What one attempt starts; `argv` null: as planned. */
export function attemptSpec(
  { start }: JobPlan,
  argv: readonly string[] | null,
  variables: Readonly<Record<string, string>>,
): ModuleSpec {
  return { ...start, argv: argv ?? start.argv, environment: { ...start.environment, ...variables } }
}
