/**
 * The daemon's copy of the keeper's view, completed with what only the daemon knows: resources, uptime,
 * fingerprints. While the keeper is away it answers the last known view and says so; it never makes anything
 * up.
 */
import type { JobView } from '../core/jobs/ledger-row.ts'
import type { Health, ModuleView, StatusDocument } from '../core/view.ts'

export interface Additions {
  resources(module: string): {
    readonly cpuPercent: number | null
    readonly memoryBytes: number | null
    readonly diskBytes: number | null
    readonly fds: number | null
  }
  fingerprint(runId: string): string | null
  uptimePercent(module: string): number | null
  /** What the run said of itself; null: nothing yet. */
  voice(runId: string): RunVoice | null
  /** Who paused it and why; null: nobody. */
  paused(module: string): string | null
  jobs(): readonly JobView[]
  degraded(): readonly string[]
  nowMs(): number
}

export interface RunVoice {
  readonly health: Health
  readonly reason: string
  readonly tradingState: string | null
  readonly dataAgeMs: number | null
  readonly degraded: string | null
}

type Fleet = Omit<StatusDocument, 'modules'>

export class FleetView {
  readonly #additions: Additions
  readonly #modules = new Map<string, ModuleView>()
  #fleet: Fleet | null = null
  #keeperUp = false

  constructor(additions: Additions) {
    this.#additions = additions
  }

  /** The keeper's whole view replaces everything. */
  replace(status: StatusDocument): void {
    const { modules, ...fleet } = status
    this.#keeperUp = true
    this.#fleet = fleet
    this.#modules.clear()
    for (const module of modules) this.#modules.set(module.name, module)
  }

  setModule(view: ModuleView): void {
    this.#modules.set(view.name, view)
  }

  setFleet(fleet: Fleet): void {
    this.#fleet = fleet
  }

  keeperGone(): void {
    this.#keeperUp = false
  }

  has(name: string): boolean {
    return this.#modules.has(name)
  }

  /** The keeper's own views. */
  raw(): readonly ModuleView[] {
    return [...this.#modules.values()]
  }

  /** The fleet without its modules; null before the keeper was ever heard. */
  fleet(): Fleet | null {
    if (!this.#fleet) return null
    const degraded = [...this.#fleet.degraded, ...this.#additions.degraded()]
    const fleet = { ...this.#fleet, jobs: this.#additions.jobs() }
    if (this.#keeperUp) return { ...fleet, degraded }
    return { ...fleet, keeper: null, state: 'degraded', degraded: ['the keeper is away', ...degraded] }
  }

  document(): StatusDocument | null {
    const fleet = this.fleet()
    return fleet ? { ...fleet, modules: this.modules() } : null
  }

  modules(): ModuleView[] {
    return this.raw().map(view => this.complete(view))
  }

  module(name: string): ModuleView | null {
    const view = this.#modules.get(name)
    return view ? this.complete(view) : null
  }

  /** A keeper's view of one module with the daemon's part. */
  complete(view: ModuleView): ModuleView {
    const used = this.#additions.resources(view.name)
    const last = view.last_exit
    return {
      ...view,
      ...this.#voice(view),
      uptime_s: this.#uptime(view),
      last_exit: last && {
        ...last,
        fingerprint: last.fingerprint ?? this.#additions.fingerprint(last.run_id),
      },
      cpu_percent: view.pid === null ? null : used.cpuPercent,
      memory_bytes: view.pid === null ? null : used.memoryBytes,
      fds: view.pid === null ? null : used.fds,
      disk_bytes: used.diskBytes,
      uptime_percent_30d: this.#additions.uptimePercent(view.name),
    }
  }

  /**
   * What it says of itself. Stale is shown over the keeper's healthy, which every watchdog ping renews; no
   * worse word of the keeper is covered.
   */
  #voice(view: ModuleView): Partial<ModuleView> {
    const voice = view.pid === null || view.run_id === null ? null : this.#additions.voice(view.run_id)
    const paused = view.pid === null ? null : this.#additions.paused(view.name)
    if (voice === null) return paused === null || view.reason !== '' ? {} : { reason: paused }
    const stale = voice.health === 'stale' && view.health !== 'unhealthy' && view.state === 'ready'
    const word = stale ? voice.reason : voice.degraded === null ? '' : `degraded: ${voice.degraded}`
    const why = [word, paused ?? ''].filter(text => text !== '').join('; ')
    return {
      health: stale ? 'stale' : view.health,
      reason: view.reason === '' ? why : view.reason,
      trading_state: voice.tradingState,
      data_age_s: voice.dataAgeMs === null ? null : Math.round(voice.dataAgeMs / 100) / 10,
    }
  }

  #uptime(view: ModuleView): number | null {
    if (view.uptime_s === null || view.started_at === null) return view.uptime_s
    const seconds = Math.round((this.#additions.nowMs() - Date.parse(view.started_at)) / 100) / 10
    return Number.isNaN(seconds) ? view.uptime_s : Math.max(0, seconds)
  }
}

/** All runs of a module that live, as far as the view tells. */
export function runIdsOf(module: ModuleView): string[] {
  return [module.run_id, ...module.spares.map(spare => spare.run_id)].filter(id => id !== null)
}
