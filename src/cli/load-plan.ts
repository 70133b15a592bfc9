/**
 * The configuration as the caller sees it now: resolved, proven, with the values of `env` secrets taken
 * from the caller's environment. The YAML and schema libraries are loaded only here, when a verb needs
 * them.
 */
import { MarkError } from '../core/errors.ts'
import type { Plan } from '../core/plan.ts'
import { peekChecked } from '../host/atomic-file.ts'
import { configFiles } from '../host/config-files.ts'
import { ownProgram } from '../host/own-program.ts'
import type { CliContext } from './context.ts'

export interface PlanFlags {
  readonly mode?: string
  readonly autonomy?: string
  readonly strategy?: string
}

export interface LoadedPlan {
  readonly plan: Plan
  /** One line for all warnings; null when there are none. */
  readonly warning: string | null
  /** What the keeper last applied here, if it can be read. */
  readonly previous: Plan | null
}

export interface LoadOptions {
  readonly flags?: PlanFlags
  readonly refreshEnv?: boolean
}

/** Throws ConfigError (exit 78) with every problem, or MARK_CONFIG_MISSING. */
export async function loadPlan(context: CliContext, options: LoadOptions = {}): Promise<LoadedPlan> {
  const place = context.place()
  const previous = place.stateDir === null ? null : previousPlan(context)
  const file = place.configFile ?? previous?.configFile
  if (file === undefined) {
    const hint = 'go to its directory, name it with --file, or write one with `mark init`.'
    throw new MarkError('MARK_CONFIG_MISSING', `There is no mark.yaml in ${context.cwd} or above it.`, hint)
  }
  const { loadFleet } = await import('../contract/config/load.ts')
  const { plan, warnings } = await loadFleet({
    file,
    files: configFiles(context.uid),
    env: context.env,
    uid: context.uid,
    nowMs: Date.now(),
    flags: options.flags ?? {},
    previous,
    refreshEnv: options.refreshEnv === true,
    linkArgv: ownProgram('builtin/link/main'),
  })
  const count = warnings.length === 1 ? '1 warning' : `${warnings.length} warnings`
  const warning =
    warnings.length === 0 ? null : `${count} about the configuration: \`mark check\` shows them.`
  return { plan, warning, previous }
}

function previousPlan(context: CliContext): Plan | null {
  try {
    return peekChecked(context.stateDir().plan).value as Plan | null
  } catch (error) {
    if (error instanceof MarkError) throw error
    return null
  }
}

/** For secrets with an `env` source that this mode uses: variables of the caller, as far as it has them. */
export function callerSecrets(plan: Plan, env: CliContext['env']): Record<string, string> {
  const values: Record<string, string> = {}
  for (const source of Object.values(plan.secrets)) {
    if (source.kind !== 'env' || (source.modes !== null && !source.modes.includes(plan.mode))) continue
    const value = env[source.name]
    if (value !== undefined) values[source.name] = value
  }
  return values
}
