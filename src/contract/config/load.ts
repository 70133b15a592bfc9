/**
 * mark.yaml to a plan: read, validate, resolve, prove that what it names is there. Touches nothing; all
 * input is an argument. Throws every problem at once as one ConfigError (exit 78), so that a broken file
 * never becomes half a plan.
 */
import { dirname } from 'node:path'
import type { Plan } from '../../core/plan.ts'
import { gather } from './gather.ts'
import type { MapNode } from './located.ts'
import { preflight } from './preflight.ts'
import { ConfigError, type Problem, Report } from './problem.ts'
import type { LoadRequest } from './request.ts'
import { resolveFleet } from './resolve.ts'

export type { LoadRequest } from './request.ts'

export interface Loaded {
  readonly plan: Plan
  readonly warnings: readonly Problem[]
}

/**
 * Errors: ConfigError with `.problems` (MARK_CONFIG, _UNSAFE, MARK_ENVIRONMENT, MARK_PREFLIGHT);
 * MARK_CONFIG_MISSING.
 */
export function loadConfig(given: LoadRequest): Loaded {
  const { plan, warnings } = loadWithTree(given)
  return { plan, warnings }
}

/** As loadConfig, with the tree that remembers where each value was written (`mark config explain`). */
export function loadWithTree(given: LoadRequest): Loaded & { readonly tree: MapNode } {
  const report = new Report()
  const refuse = (): never => {
    throw new ConfigError(report.errors, report.warnings, dirname(given.file))
  }
  const tree = gather(given.file, given.files, given.env, report)
  if (tree === null) return refuse()
  const { plan, modules, scope } = resolveFleet(tree, given, report)
  preflight(scope, modules)
  if (report.errors.length > 0) return refuse()
  return { plan, warnings: report.warnings, tree }
}
