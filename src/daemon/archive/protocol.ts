/**
 * What passes between the daemon's main thread and the archive's thread. Types only.
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
} from '../../contract/api.ts'
import type { JobRow } from '../../core/jobs/job-row.ts'
import type { Uptime } from '../../core/uptime.ts'
import type { RunNotes } from './draft.ts'
import type { NewExit } from './store.ts'

/** Questions and their answers. */
export interface ArchiveReads {
  events(query: EventQuery): EventPage
  idOf(at: { journalId: string; seq: number }): number | null
  exits(query: ExitQuery): { exits: ExitRecord[]; more: boolean }
  exit(runId: string): { exit: ExitRecord; dossier: DossierRecord | null } | null
  fingerprints(): { module: string; runId: string; fingerprint: string | null }[]
  startOffset(runId: string): number | null
  jobRows(query: JobRowQuery): JobRowPage
  jobRow(runId: string): JobRow | null
  spans(runIds: readonly string[]): RunSpan[]
  uptime(query: { modules: readonly string[]; fromMs: number; toMs: number }): Record<string, Uptime>
}

export type ToArchive =
  | {
      readonly kind: 'ask'
      readonly id: number
      readonly read: keyof ArchiveReads
      readonly argument: unknown
    }
  | { readonly kind: 'wake' }
  | { readonly kind: 'note'; readonly notes: RunNotes }
  | { readonly kind: 'retain'; readonly beforeMs: number }
  | { readonly kind: 'secrets'; readonly values: readonly string[] }
  | { readonly kind: 'close' }

export type FromArchive =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly why: string }
  | { readonly kind: 'imported'; readonly exits: readonly NewExit[] }
  | { readonly kind: 'problem'; readonly problem: string | null }

/** What the thread is given at its start. */
export interface ArchiveSetup {
  readonly archive: string
  readonly journal: string
  readonly logs: string
}
