/**
 * Scopes of the kill switch: which kill covers which module, and what a scope names. The latch absorbs: while
 * a kill covers a module, nothing starts it.
 */
import type { Child } from './child.ts'
import { MarkError } from './errors.ts'
import { type Plan, startedSpecs } from './plan.ts'
import type { KillView } from './view.ts'

/** The first kill that covers a module, or null. An account covers the modules that hold its lock. */
export function coveringKill(kills: readonly KillView[], module: string, plan: Plan | null): KillView | null {
  return kills.find(kill => covers(kill.scope, module, plan)) ?? null
}

export function covers(scope: string, module: string, plan: Plan | null): boolean {
  if (scope === 'all') return true
  const [kind, name] = splitScope(scope)
  if (kind === 'module') return name === module
  if (kind === 'group') return plan?.groups[name]?.modules.includes(module) ?? false
  if (kind === 'account') {
    const lock = plan?.modules.find(spec => spec.name === module)?.lock
    return lock === name || (lock?.split(':')[1] ?? null) === name
  }
  return true
}

function splitScope(scope: string): [string, string] {
  const at = scope.indexOf(':')
  return at < 0 ? [scope, ''] : [scope.slice(0, at), scope.slice(at + 1)]
}

/**
 * `all`, `M`, `module:M`, `group:G` or `account:A` as typed, checked against the plan. Without a plan every
 * scope is accepted: a stop is never refused for want of knowledge. Throws MARK_NO_SUCH_MODULE.
 */
export function parseScope(typed: string, plan: Plan | null): string {
  if (typed === 'all') return 'all'
  const [kind, name] = splitScope(typed)
  const scope = ['module', 'group', 'account'].includes(kind) && name !== '' ? typed : `module:${typed}`
  if (!plan) return scope
  const known = startedSpecs(plan).some(spec => covers(scope, spec.name, plan))
  if (!known)
    throw new MarkError(
      'MARK_NO_SUCH_MODULE',
      `Nothing here is covered by ${typed}.`,
      'mark status lists the modules; `mark kill` alone stops all.',
    )
  return scope
}

/** Why it holds a module, as the module's hold. */
export function killHold(kill: KillView): { reason: string; by: string; atWallMs: number; kill: string } {
  const reason = `killed (${kill.id}, ${kill.level}) by ${kill.by}${kill.reason ? `: ${kill.reason}` : ''}`
  return { reason, by: kill.by, atWallMs: Date.parse(kill.at), kill: kill.id }
}

export function heldByKill(child: Child): boolean {
  const pending = child.stopping?.then.kind === 'hold' ? child.stopping.then.hold : null
  return (child.hold?.kill ?? pending?.kill ?? null) !== null
}

/** Its stop could prove that no order stands. */
export function isVerified({ spec: { stop }, reason }: Child): boolean {
  return stop.before !== null && stop.verify !== null && !reason.includes('unverified')
}
