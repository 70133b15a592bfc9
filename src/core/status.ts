/**
 * The status document built from what lies on disk, for when no keeper answers: the last views the keeper
 * stored, corrected by which runs really live. Pure. It never calls a module ready on the word of a file
 * alone, and never invents an exit: what happened since is unknown and said so.
 */
import { restore, type ChildrenDocument, type RunRecord } from './keeper-state.ts'
import { moduleView } from './module-view.ts'
import { type Plan, realMoney } from './plan.ts'
import { formatUtc, type Instant } from './time.ts'
import type { FleetState, KillView, ModuleState, ModuleView, ProcessView, StatusDocument } from './view.ts'

/** A runs/<run_id>.json whose process was found alive by pid, start time and boot id. */
export interface LiveRun extends RunRecord {
  readonly pid: number
}

export interface DiskFacts {
  readonly plan: Plan | null
  readonly children: ChildrenDocument | null
  readonly live: readonly LiveRun[]
  readonly kills: readonly KillView[]
  /** A keeper process holds the lock but does not answer. */
  readonly silentKeeper: ProcessView | null
  /** Name shown when there is no plan to read it from. */
  readonly fallbackName: string
  readonly now: Instant
  readonly degraded: readonly string[]
}

export function statusFromDisk(facts: DiskFacts): StatusDocument {
  const { plan, children } = facts
  const mode = {
    mode: plan?.mode ?? 'TEST',
    autonomy: plan?.autonomy ?? 'VIRTUAL',
    strategy: plan?.strategy ?? 'NORMAL',
  } as const
  const specs = [...(plan?.modules ?? []), ...(children?.extras ?? [])]
  const stored = new Map(
    specs.map(spec => [spec.name, moduleView(restore(spec, children?.children[spec.name]), facts.now)]),
  )
  const names = new Set([...stored.keys(), ...facts.live.map(run => run.module)])
  return {
    fleet: plan?.fleet ?? facts.fallbackName,
    state: fleetState(facts),
    session_id: children?.session_id ?? null,
    ...mode,
    real_money: realMoney(mode),
    kills: facts.kills,
    keeper: facts.silentKeeper,
    daemon: null,
    modules: [...names].map(name => moduleFromDisk(name, stored.get(name) ?? null, facts)),
    jobs: [],
    degraded: facts.silentKeeper ? ['the keeper does not answer', ...facts.degraded] : facts.degraded,
  }
}

function fleetState(facts: DiskFacts): FleetState {
  if (facts.silentKeeper) return 'degraded'
  return facts.live.length > 0 ? 'unsupervised' : 'stopped'
}

/** States in which a process exists or is about to: wrong on disk once nobody keeps them true. */
const MOVING: ReadonlySet<ModuleState> = new Set(['waiting', 'starting', 'ready', 'stopping', 'backoff'])

function moduleFromDisk(name: string, stored: ModuleView | null, facts: DiskFacts): ModuleView {
  const view: ModuleView = stored ?? { ...UNDECLARED, name }
  const runs = facts.live.filter(run => run.module === name)
  const active = runs.find(run => run.role === 'active') ?? null
  const spares = runs.filter(run => run !== active).map(run => ({ pid: run.pid, run_id: run.run_id }))
  const unsure = { health: 'unknown', spares, next_start_at: null } as const
  if (active) return { ...view, ...unsure, ...runningView(view, active, facts) }
  const gone = { pid: null, run_id: null, started_at: null, ready_at: null, uptime_s: null }
  if (!MOVING.has(view.state)) return { ...view, ...unsure, ...gone }
  const reason = view.run_id === null ? 'not running' : 'its process is gone; MARK was not there to see why'
  return { ...view, ...unsure, ...gone, state: 'stopped', reason }
}

function runningView(view: ModuleView, run: LiveRun, facts: DiskFacts): Partial<ModuleView> {
  const same = view.run_id === run.run_id
  return {
    state: same && (view.state === 'ready' || view.state === 'stopping') ? view.state : 'starting',
    reason: facts.silentKeeper ? view.reason : 'runs unsupervised: no MARK process keeps it',
    pid: run.pid,
    run_id: run.run_id,
    started_at: formatUtc(run.started.wallMs),
    ready_at: same ? view.ready_at : null,
    uptime_s: Math.max(0, Math.round((facts.now.monoMs - run.started.monoMs) / 100) / 10),
  }
}

/** A live run of a module that no plan on disk names. */
const UNDECLARED: Omit<ModuleView, 'name'> = {
  kind: 'service',
  state: 'stopped',
  reason: 'not declared',
  pid: null,
  run_id: null,
  started_at: null,
  ready_at: null,
  uptime_s: null,
  restarts: 0,
  health: 'unknown',
  trading_state: null,
  data_age_s: null,
  hold: null,
  next_start_at: null,
  last_exit: null,
  spares: [],
  cpu_percent: null,
  memory_bytes: null,
  disk_bytes: null,
  fds: null,
  lock: null,
  fence: null,
  backend: 'process',
  uptime_percent_30d: null,
}
