/**
 * What the API needs from the rest of the daemon: small interfaces that main.ts fills. Types only.
 */
import type {
  DossierRecord,
  EventPage,
  EventQuery,
  ExitQuery,
  ExitRecord,
  JobRowPage,
  JobRowQuery,
  RunSpan,
  SaidRecord,
} from '../../contract/api.ts'
import type { Ask } from '../../contract/keeper.ts'
import type { JobRow } from '../../core/jobs/job-row.ts'
import type { JobView, LedgerRow } from '../../core/jobs/ledger-row.ts'
import type { ModuleView, StatusDocument } from '../../core/view.ts'
import type { LogLine } from '../../core/log-line.ts'
import type { StreamHub } from './stream.ts'

export interface ApiDeps {
  /** null before the keeper was ever heard. */
  readonly fleet: () => StatusDocument | null
  readonly module: (name: string) => ModuleView | null
  /** What a run said of itself; null: nothing. */
  readonly said: (runId: string) => SaidRecord | null
  readonly hears: (module: string) => boolean
  /** Throws MARK_REFUSED for who cannot hear it. */
  readonly pause: (module: string, by: string, reason: string | null) => void
  /** `halt`: what the kill switch still says. */
  readonly resume: (
    module: string,
    by: string,
    reason: string | null,
  ) => { readonly resumed: boolean; readonly halt: string | null }
  readonly keeperUp: () => boolean
  /** Rejects with what the keeper says, or MARK_NOT_RUNNING. */
  readonly ask: (ask: Ask) => Promise<unknown>
  readonly archive: ArchiveApi
  readonly jobs: JobsApi
  readonly logs: LogApi
  readonly stream: StreamHub
  /** Which lines fit; throws for a pattern that cannot be used. */
  readonly matcher: (pattern: string) => (lines: readonly string[]) => boolean[]
  readonly version: string
  readonly nowMs: () => number
  readonly mintKillId: () => string
  /** Our own fault: goes to the daemon's log. */
  readonly failed: (error: unknown) => void
}

/** Rejects with MARK_BUSY when the archive is off. */
export interface ArchiveApi {
  events(query: EventQuery): Promise<EventPage>
  exits(query: ExitQuery): Promise<{ exits: ExitRecord[]; more: boolean }>
  exit(runId: string): Promise<{ exit: ExitRecord; dossier: DossierRecord | null } | null>
  jobRows(query: JobRowQuery): Promise<JobRowPage>
  jobRow(runId: string): Promise<JobRow | null>
  /** Of processes that wrote; unknown ones are left out. */
  spans(runIds: readonly string[]): Promise<readonly RunSpan[]>
}

export interface LogApi {
  /** The last `count` complete lines that begin before the logical offset `before` (null: the end). */
  tail(module: string, count: number, before: number | null): readonly LogLine[]
}

/** Rejects with a MarkError: MARK_NO_SUCH_JOB, MARK_NO_SUCH_RUN, MARK_REFUSED, MARK_NOT_RUNNING. */
export interface JobsApi {
  list(): readonly JobView[]
  job(name: string): JobView | null
  /** The open row of this run; null: it ended, or never was. */
  open(runId: string): LedgerRow | null
  /**
   * The row that was made, also one that says why it does not run. `from`: the job of its chain to begin at.
   * Resolves once it is durable.
   */
  run(
    job: string,
    order: {
      readonly params: Readonly<Record<string, string>>
      readonly from: string | null
      readonly by: string
    },
  ): Promise<LedgerRow>
  cancel(
    runId: string,
    order: { readonly kill: boolean; readonly by: string; readonly reason: string | null },
  ): Promise<LedgerRow>
  pause(job: string, by: string, note: string | null): Promise<JobView>
  resume(job: string, by: string): Promise<JobView>
  /** A row for each instant in [fromMs, untilMs) that is over, oldest first; they run one after the other. */
  backfill(
    job: string,
    order: { readonly fromMs: number; readonly untilMs: number; readonly by: string },
  ): Promise<readonly LedgerRow[]>
}
