/**
 * What the API needs from the rest of the daemon: small interfaces that main.ts fills. Types only.
 */
import type {
  DossierRecord,
  EventPage,
  EventQuery,
  ExitQuery,
  ExitRecord,
  SaidRecord,
} from '../../contract/api.ts'
import type { Ask } from '../../contract/keeper.ts'
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
}

export interface LogApi {
  /** The last `count` complete lines that begin before the logical offset `before` (null: the end). */
  tail(module: string, count: number, before: number | null): readonly LogLine[]
}
