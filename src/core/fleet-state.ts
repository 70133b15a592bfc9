/**
 * One word for the whole fleet, from its modules' states, while a keeper is there.
 */
import type { FleetState, ModuleState } from './view.ts'

const MOVING: ReadonlySet<ModuleState> = new Set(['waiting', 'starting'])
const ILL: ReadonlySet<ModuleState> = new Set(['backoff', 'held', 'failed', 'skipped'])
const GONE: ReadonlySet<ModuleState> = new Set(['stopped', 'completed', 'failed', 'skipped', 'held'])

/**
 * `stopped` when nothing lives or will; `degraded` when something is ill; `starting` on the way; else `up`.
 */
export function fleetState(
  modules: readonly { readonly state: ModuleState; readonly health: string }[],
): FleetState {
  if (modules.every(module => GONE.has(module.state))) return 'stopped'
  if (modules.some(module => ILL.has(module.state) || module.health === 'unhealthy')) return 'degraded'
  if (modules.some(module => MOVING.has(module.state))) return 'starting'
  return 'up'
}
