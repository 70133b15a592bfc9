/**
 * The status document built from what lies on disk, for when no keeper answers: the last views the keeper stored,
 * corrected by which runs really live. Pure. It never calls a module ready on the word of a file alone, and never
 * invents an exit: what happened since is unknown and said so.
 */
import { type Plan, realMoney } from './plan.ts'
import type { FleetState, KillView, ModuleState, ModuleView, ProcessView, StatusDocument } from './view.ts'

/** What the keeper remembers of its session in children.json, as far as others read it. */
export interface SessionRecord {
  /** A session is open from `up` to `down`: a keeper is due. */
  readonly open: boolean
  readonly session_id: string | null
  readonly views: readonly ModuleView[]
}

/** One runs/<run_id>.json whose process was found alive by pid, start time and boot id. */
export interface LiveRun {
  readonly run_id: string
  readonly module: string
  readonly role: 'active' | 'spare' | 'old'
  readonly pid: number
}

export interface DiskFacts {
  readonly plan: Plan | null
  readonly session: SessionRecord | null
  readonly live: readonly LiveRun[]
  readonly kills: readonly KillView[]
  /** A keeper process holds the lock but does not answer. */
  readonly silentKeeper: ProcessView | null
  /** Name shown when there is no plan to read it from. */
  readonly fallbackName: string
  readonly nowWallMs: number
  readonly degraded: readonly string[]
}

export function statusFromDisk(facts: DiskFacts): StatusDocument {
  const { plan, session } = facts
  const mode = { mode: plan?.mode ?? 'TEST', autonomy: plan?.autonomy ?? 'VIRTUAL', strategy: plan?.strategy ?? 'NORMAL' } as const
  const stored = new Map((session?.views ?? []).map(view => [view.name, view]))
  const declared = plan?.modules.map(spec => spec.name) ?? [...stored.keys()]
  const undeclared = facts.live.map(run => run.module).filter(name => !declared.includes(name))
  const names = [...declared, ...new Set(undeclared)]
  return {
    fleet: plan?.fleet ?? facts.fallbackName,
    state: fleetState(facts),
    session_id: session?.session_id ?? null,
    ...mode,
    real_money: realMoney(mode),
    kills: facts.kills,
    keeper: facts.silentKeeper,
    daemon: null,
    modules: names.map(name => moduleFromDisk(name, stored.get(name) ?? null, facts)),
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
  const spec = facts.plan?.modules.find(candidate => candidate.name === name)
  const view: ModuleView = stored ?? { ...UNKNOWN_VIEW, name, kind: spec?.kind ?? 'service', lock: spec?.lock ?? null, backend: spec?.backend ?? 'process' }
  const runs = facts.live.filter(run => run.module === name)
  const active = runs.find(run => run.role === 'active') ?? null
  const spares = runs.filter(run => run !== active).map(run => ({ pid: run.pid, run_id: run.run_id }))
  const sampled = { cpu_percent: null, memory_bytes: null, fds: null, health: 'unknown', spares, next_start_at: null } as const
  if (active) return { ...view, ...sampled, ...runningView(view, active, facts) }
  const gone = { pid: null, run_id: null, started_at: null, ready_at: null, uptime_s: null }
  if (!MOVING.has(view.state)) return { ...view, ...sampled, ...gone }
  const lost = view.run_id !== null && !facts.silentKeeper
  return { ...view, ...sampled, ...gone, state: 'stopped', reason: lost ? 'its process is gone; MARK was not there to see why' : 'not running' }
}

function runningView(view: ModuleView, run: LiveRun, facts: DiskFacts): Partial<ModuleView> {
  const same = view.run_id === run.run_id
  const state = same && (view.state === 'ready' || view.state === 'stopping') ? view.state : 'starting'
  const startedAt = same ? view.started_at : null
  const uptime = startedAt === null ? null : Math.max(0, (facts.nowWallMs - Date.parse(startedAt)) / 1000)
  return {
    state,
    reason: facts.silentKeeper ? view.reason : 'runs unsupervised: no MARK process keeps it',
    pid: run.pid,
    run_id: run.run_id,
    started_at: startedAt,
    ready_at: same ? view.ready_at : null,
    uptime_s: uptime,
  }
}

const UNKNOWN_VIEW: Omit<ModuleView, 'name' | 'kind' | 'lock' | 'backend'> = {
  state: 'stopped',
  reason: 'never started',
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
  fence: null,
  uptime_percent_30d: null,
}
