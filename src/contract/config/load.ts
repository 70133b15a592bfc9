/**
 * mark.yaml to a plan: read, validate, resolve, prove that what it names is there. Touches nothing; all
 * input is an argument. Throws every problem at once as one ConfigError (exit 78), so that a broken file
 * never becomes half a plan.
 */
import { dirname } from 'node:path'
import type { Plan } from '../../core/plan.ts'
import { gather } from './gather.ts'
import { child, type MapNode } from './located.ts'
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

/** As loadConfig; the reader of cron lines is fetched only for a fleet with jobs. */
export async function loadFleet(given: Omit<LoadRequest, 'readCronLine'>): Promise<Loaded> {
  const report = new Report()
  const tree = read(given, report)
  const hasJobs = child(tree, 'jobs') !== undefined
  const readCronLine = hasJobs ? (await import('../jobs/cron-line.ts')).readCronLine : null
  const { plan, warnings } = settle(tree, { ...given, readCronLine }, report)
  return { plan, warnings }
}

/** As loadConfig, with the tree that remembers where each value was written (`mark config explain`). */
export function loadWithTree(given: LoadRequest): Loaded & { readonly tree: MapNode } {
  const report = new Report()
  return settle(read(given, report), given, report)
}

type Given = Omit<LoadRequest, 'readCronLine'>

function read(given: Given, report: Report): MapNode {
  const tree = gather(given.file, given.files, given.env, report)
  return tree ?? refuse(given, report)
}

function settle(tree: MapNode, given: LoadRequest, report: Report): Loaded & { readonly tree: MapNode } {
  const { plan, processes, scope } = resolveFleet(tree, given, report)
  preflight(scope, processes)
  if (report.errors.length > 0) return refuse(given, report)
  return { plan, warnings: report.warnings, tree }
}

function refuse(given: Given, report: Report): never {
  throw new ConfigError(report.errors, report.warnings, dirname(given.file))
}
