/**
 * The broker as a module of the fleet (docs/link.md): declared by `link:` and not by the user, and the only
 * module that is MARK's own. What it forgets its clients say again.
 * One that hangs is gone before they forget: watchdog, grace, start and its first second are less than 10 s.
 */
import { ownModule } from './own-module.ts'
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
  const environment = { [LINK_SETTINGS]: JSON.stringify(settings) }
  const ready = { kind: 'notify', timeoutMs: 30_000 } as const
  return ownModule(
    { name: LINK, argv, workingDir, environment, ready, watchdogMs: 5000 },
    { resetAfterMs: 5000, graceMs: 1000, log: { keep: 3, quotaBytes: 50_000_000, rotate: 'ring' } },
  )
}
