/**
 * The keeper's own answer to `state`: the StatusDocument without what only the daemon can measure.
 */
import { DAEMON, nextName } from '../core/child-name.ts'
import { isLive } from '../core/child.ts'
import { fleetState } from '../core/fleet-state.ts'
import { moduleView } from '../core/module-view.ts'
import { realMoney } from '../core/plan.ts'
import { formatUtc } from '../core/time.ts'
import type { ModuleView, StatusDocument } from '../core/view.ts'
import type { Engine } from './engine.ts'

export function viewOf(engine: Engine, name: string): ModuleView | null {
  const child = engine.children.get(name)
  if (!child) return null
  const next = engine.children.get(nextName(name))
  const spares = next?.run ? [{ pid: next.run.pid, run_id: next.run.id }] : []
  return moduleView(child, engine.world.now(), spares)
}

export function fleetView(engine: Engine): StatusDocument {
  const modules = engine.modules().flatMap(child => viewOf(engine, child.spec.name) ?? [])
  return { ...fleetHead(engine, modules), modules }
}

export function fleetHead(engine: Engine, modules: readonly ModuleView[]): Omit<StatusDocument, 'modules'> {
  const { plan, world, session } = engine
  const daemon = engine.children.get(DAEMON)
  const daemonRun = daemon && isLive(daemon) && daemon.run?.exit === null ? daemon.run : null
  return {
    fleet: plan?.fleet ?? '',
    state: session.closing ? 'stopping' : fleetState(modules),
    session_id: session.id,
    mode: plan?.mode ?? 'TEST',
    autonomy: plan?.autonomy ?? 'VIRTUAL',
    strategy: plan?.strategy ?? 'NORMAL',
    real_money: plan ? realMoney(plan) : false,
    kills: engine.kills,
    keeper: { pid: world.pid, version: world.version, started_at: formatUtc(engine.startedWallMs) },
    daemon: daemonRun?.pid
      ? {
          pid: daemonRun.pid,
          version: world.version,
          started_at: formatUtc(daemonRun.started.wallMs),
          restarts: daemon?.restarts ?? 0,
        }
      : null,
    jobs: [],
    degraded: world.degraded(),
  }
}
