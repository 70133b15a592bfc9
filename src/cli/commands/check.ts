/**
 * `mark check`: proves the configuration and all it needs, as `mark up` would, and touches nothing. Exit 0,
 * or 78 with every problem.
 */
import type { ConfigError, Problem } from '../../contract/config/problem.ts'
import { MarkError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { peekChecked } from '../../host/atomic-file.ts'
import { configFiles } from '../../host/config-files.ts'
import { ownProgram } from '../../host/own-program.ts'
import type { CliContext } from '../context.ts'
import { visible } from '../visible.ts'

export interface CheckOptions {
  readonly json: boolean
}

export async function runCheck(context: CliContext, options: CheckOptions): Promise<number> {
  const file = configFileOf(context)
  const [{ loadFleet }, problems] = await Promise.all([
    import('../../contract/config/load.ts'),
    import('../../contract/config/problem.ts'),
  ])
  try {
    const { plan, warnings } = await loadFleet({
      file,
      files: configFiles(context.uid),
      env: context.env,
      uid: context.uid,
      nowMs: Date.now(),
      flags: {},
      previous: previousPlan(context),
      refreshEnv: false,
      linkArgv: ownProgram('builtin/link/main'),
    })
    if (options.json) context.json(documentOf(file, plan, [], warnings))
    else {
      if (warnings.length > 0) say(context, problems.formatProblems(warnings, context.cwd))
      sayPlan(context, plan, warnings.length)
    }
    return 0
  } catch (error) {
    if (!options.json || !(error instanceof problems.ConfigError)) throw error
    const refused: ConfigError = error
    context.json(documentOf(file, null, refused.problems, refused.warnings))
    return refused.exitStatus
  }
}

/** Absolute path of mark.yaml; throws MARK_CONFIG_MISSING where there is none. */
export function configFileOf(context: CliContext): string {
  const file = context.place().configFile
  if (file !== null) return file
  const hint = 'go to its directory, name it with --file, or write one with `mark init`.'
  throw new MarkError('MARK_CONFIG_MISSING', `There is no mark.yaml in ${context.cwd} or above it.`, hint)
}

/** The plan in force: its PATH is the one that programs are looked up on. */
function previousPlan(context: CliContext): Plan | null {
  try {
    return context.place().stateDir === null
      ? null
      : (peekChecked(context.stateDir().plan).value as Plan | null)
  } catch {
    return null
  }
}

function say(context: CliContext, text: string): void {
  for (const line of text.split('\n'))
    context.note(/^\s/.test(line) ? visible(line) : `warning: ${visible(line)}`)
}

function sayPlan(context: CliContext, plan: Plan, warnings: number): void {
  const jobs = plan.jobs?.length ?? 0
  const counts = [counted(plan.modules.length, 'module'), ...(jobs === 0 ? [] : [counted(jobs, 'job')])]
  const words = `${plan.fleet}: ${plan.mode} ${plan.autonomy} ${plan.strategy}`
  const extra = warnings === 0 ? '' : `, ${counted(warnings, 'warning')}`
  context.out(`ok: ${counts.join(', ')} (${words})${extra}`)
  if (plan.inactive.length > 0)
    context.out(`validated, not active in this version: ${plan.inactive.join(', ')}`)
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function documentOf(
  file: string,
  plan: Plan | null,
  problems: readonly Problem[],
  warnings: readonly Problem[],
): unknown {
  return {
    ok: problems.length === 0,
    file,
    fleet: plan?.fleet ?? null,
    mode: plan?.mode ?? null,
    autonomy: plan?.autonomy ?? null,
    strategy: plan?.strategy ?? null,
    modules: plan?.modules.map(module => module.name) ?? null,
    jobs: plan?.jobs?.map(job => job.name) ?? null,
    inactive: plan?.inactive ?? null,
    problems,
    warnings,
  }
}
