/**
 * Shapes of the HTTP API that are not in core/view.ts: events, exits, dossiers, log lines and pages of the
 * ledger, and the queries for them. snake_case as SPEC 6; unknown is null. Types only.
 */
import type { JobRow, Outcome } from '../core/jobs/job-row.ts'
import type { LedgerRow } from '../core/jobs/ledger-row.ts'
import type { FleetEvent, ModuleView } from '../core/view.ts'

/** Position in a list, newest first (events) or by time; opaque outside. */
export interface EventQuery {
  readonly module: string | null
  readonly sinceMs: number | null
  /** Only events with an id below (`before`) or above (`after`) this one. */
  readonly beforeId: number | null
  readonly afterId: number | null
  readonly limit: number
}

export interface EventPage {
  /** Oldest first. */
  readonly events: readonly FleetEvent[]
  readonly firstId: number | null
  readonly lastId: number | null
  /** More of them lie beyond the limit. */
  readonly more: boolean
}

export interface ExitRecord {
  readonly run_id: string
  readonly module: string
  readonly at: string
  readonly known: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly core: boolean | null
  readonly oom: boolean | null
  readonly evidence: string
  readonly asked: boolean
  readonly uptime_s: number | null
  readonly reason: string
  readonly fingerprint: string | null
  readonly dossier_id: number | null
}

export interface ExitQuery {
  readonly module: string
  readonly beforeMs: number | null
  readonly beforeRunId: string | null
  readonly limit: number
}

export interface JobRowQuery {
  /** null: of all jobs; so for the next two. */
  readonly job: string | null
  readonly outcome: Outcome | null
  /** Only rows planned since then. */
  readonly sinceMs: number | null
  /** Only rows that come after this one in the order newest first. */
  readonly before: { readonly plannedMs: number; readonly runId: string } | null
  readonly limit: number
}

export interface JobRowPage {
  readonly rows: readonly JobRow[]
  readonly more: boolean
}

/** GET /api/v1/jobs/{j}/runs, newest first. */
export interface JobRunsRecord {
  readonly runs: readonly LedgerRow[]
  readonly next_cursor: string | null
}

/** Logical offsets in its log between which a process wrote; `to` null: it goes on, or that is not known. */
export interface RunSpan {
  readonly runId: string
  readonly from: number
  readonly to: number | null
}

export interface DossierRecord {
  readonly id: number
  readonly module: string
  readonly fingerprint: string
  readonly first_at: string
  readonly last_at: string
  readonly count: number
  readonly exception: {
    readonly type: string
    readonly message: string | null
    readonly root_cause: string | null
    readonly frame: {
      readonly file: string
      readonly line: number | null
      readonly function: string | null
    } | null
  } | null
  readonly traceback: string | null
  readonly lines: readonly string[]
  readonly resources: unknown
  readonly heartbeat: unknown
}

export interface LogRecord {
  readonly module: string
  /** Logical offset of its first byte: never moves. */
  readonly offset: number
  readonly at: string | null
  /** The line's own timestamp; else `at` is MARK's index, exact to a second. */
  readonly exact: boolean
  readonly level: string | null
  readonly text: string
  readonly run_id: string | null
}

/** What the present run of a module said of itself on MARK_SOCKET: the newest of each kind. */
export interface SaidRecord {
  readonly run_id: string
  readonly connected: boolean
  readonly sdk: string | null
  readonly heartbeat: unknown
  readonly degraded: string | null
  readonly reconciled: { readonly ok: boolean; readonly detail: string | null; readonly at: string } | null
  /** The newest sample of each name, at most 100. */
  readonly metrics: readonly {
    readonly name: string
    readonly value: number
    readonly labels: Readonly<Record<string, string>>
    readonly at: string
  }[]
}

/** GET /api/v1/modules/{m}. `said` null: its present run said nothing, or there is none. */
export interface ModuleRecord extends ModuleView {
  readonly said: SaidRecord | null
  /** It can be told to pause: it is connected, or its SDK looks at its halt file. */
  readonly hears: boolean
}
