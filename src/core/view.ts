/**
 * What MARK shows of itself: the shapes behind `mark status --json`, the keeper's `state` answer and the API.
 * snake_case and units as SPEC 6; unknown is null; every key is always there.
 */
import type { LastExit } from './exit.ts'
import type { JobView } from './jobs/ledger-row.ts'
import type { Autonomy, Kind, Mode, Strategy } from './plan.ts'

export type ModuleState =
  | 'stopped'
  | 'waiting'
  | 'starting'
  | 'ready'
  | 'stopping'
  | 'backoff'
  | 'held'
  | 'completed'
  | 'failed'
  | 'skipped'

export type Health = 'healthy' | 'unhealthy' | 'stale' | 'unknown'
export type FleetState = 'starting' | 'up' | 'degraded' | 'stopping' | 'stopped' | 'unsupervised'

export interface HoldView {
  readonly reason: string
  readonly by: string
  readonly at: string
  readonly until: string | null
}

export interface SpareView {
  readonly pid: number | null
  readonly run_id: string
}

export interface ModuleView {
  readonly name: string
  readonly kind: Kind
  readonly state: ModuleState
  readonly reason: string
  readonly pid: number | null
  readonly run_id: string | null
  readonly started_at: string | null
  readonly ready_at: string | null
  readonly uptime_s: number | null
  readonly restarts: number
  readonly health: Health
  readonly trading_state: string | null
  readonly data_age_s: number | null
  readonly hold: HoldView | null
  readonly next_start_at: string | null
  readonly last_exit: LastExit | null
  readonly spares: readonly SpareView[]
  readonly cpu_percent: number | null
  readonly memory_bytes: number | null
  readonly disk_bytes: number | null
  readonly fds: number | null
  readonly lock: string | null
  readonly fence: number | null
  readonly backend: string
  readonly uptime_percent_30d: number | null
}

export interface KillView {
  readonly id: string
  readonly level: 'pause' | 'halt' | 'flatten'
  /** `all`, `module:M`, `group:G` or `account:A`. */
  readonly scope: string
  readonly reason: string | null
  readonly by: string
  readonly at: string
  readonly complete: boolean
}

export interface ProcessView {
  readonly pid: number
  readonly version: string
  readonly started_at: string
}

/** The document of `mark status --json` and `GET /api/v1/fleet`. */
export interface StatusDocument {
  readonly fleet: string
  readonly state: FleetState
  readonly session_id: string | null
  readonly mode: Mode
  readonly autonomy: Autonomy
  readonly strategy: Strategy
  readonly real_money: boolean
  readonly kills: readonly KillView[]
  readonly keeper: ProcessView | null
  readonly daemon: (ProcessView & { readonly restarts: number }) | null
  readonly modules: readonly ModuleView[]
  /** Only the daemon knows them: empty in any other's word. */
  readonly jobs: readonly JobView[]
  /** Shortages that MARK lives with now, e.g. `state not durable`; empty when there are none. */
  readonly degraded: readonly string[]
}

/**
 * One thing that happened, as the journal and the archive hold it. `data` is flat and free of secrets.
 * (journal_id, seq) is unique for ever.
 */
export interface FleetEvent {
  readonly journal_id: string
  readonly seq: number
  readonly at: string
  readonly kind: EventKind
  readonly module: string | null
  readonly run_id: string | null
  readonly data: Readonly<Record<string, unknown>>
}

/** What one of MARK's own modules may have journalled. */
export type ModuleEventKind = 'link_client' | 'link_refused'

export type EventKind =
  | ModuleEventKind // data: client, what (here, gone, publish, ...), topic, reason, or left_out
  | 'keeper_started' // data: pid, version, adopted (count), boot (true after a reboot or `up`)
  | 'keeper_stopped'
  | 'upgraded' // data: from, to, by; the same process goes on as another version
  | 'upgrade_refused' // data: from, to, by, code, reason; the version before goes on
  | 'plan_applied' // data: by, changes [{module, change, reason}]
  | 'started' // data: pid, start_reason, attempt, log_offset (logical, bytes)
  | 'start_refused' // data: why
  | 'adopted' // data: pid
  | 'ready' // data: by
  | 'exited' // data: an Exit, pid, asked, uptime_s, reason, log_offset (logical end of the run's output)
  | 'survivors' // data: pids killed after the main process was gone
  | 'stopping' // data: by, why
  | 'stopped' // data: by, why
  | 'completed'
  | 'failed' // data: reason
  | 'skipped' // data: reason
  | 'waiting' // data: reason
  | 'backoff' // data: delay_ms, attempt, reason
  | 'budget_spent' // data: reason
  | 'held' // data: reason, by
  | 'unheld' // data: by
  | 'unhealthy' // data: reason
  | 'healthy'
  | 'stale' // data: reason; alive, but its data is old or its state is not the expected one
  | 'fresh' // data: reason; no longer stale
  | 'paused' // data: by, reason; told to make no new entries (not by the kill switch)
  | 'resumed' // data: by, reason
  | 'reconciled' // data: ok, detail; its own word
  | 'refused_speaker' // data: reason, count; somebody at its socket who may not speak there
  | 'alert' // data: reason
  | 'hook' // data: hook, ok, reason, took_ms
  | 'status' // data: text (sd_notify STATUS, at most one a second)
  | 'killed' // data: id, level, scope, reason, by
  | 'kill_complete' // data: id, note
  | 'released' // data: id, reason, by
  | 'job_planned' // data: a JobRow; so for the next two
  | 'job_running'
  | 'job_ended'
  | 'log_dropped' // data: bytes, lines, from, to (logical): given up because the disk was full
  | 'degraded' // data: what, reason
  | 'recovered' // data: what
  | 'repaired' // data: file, reason (a state file that was torn or lost)
