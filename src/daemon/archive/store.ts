/**
 * The archive's one writer: events, exits, dossiers and the ledger in SQLite (WAL). A batch and the cursor
 * behind it are one transaction, so an import may be repeated from anywhere without doubling anything. Every
 * method may throw what SQLite throws; the importer deals with it.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { FleetEvent } from '../../core/view.ts'
import type { CrashNote, DossierDraft, RunNotes } from './draft.ts'
import { forgetJobRows, keepJobRow } from './job-rows.ts'
import { migrate } from './schema.ts'

export interface Cursor {
  readonly journalId: string
  readonly seq: number
}

/** An exit that was new to the archive. */
export interface NewExit {
  readonly module: string
  readonly runId: string
  readonly fingerprint: string | null
}

export interface Span {
  readonly module: string
  /** Logical offsets of the run's output; null when not known. */
  readonly from: number | null
  readonly to: number | null
}

/** Makes the dossier of an exit; null: this exit gets none. Must not throw. */
export type DossierMaker = (event: FleetEvent, span: Span, crash: CrashNote | null) => DossierDraft | null

const BUSY_TIMEOUT_MS = 2000

export class Store {
  readonly db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** Opens or creates the file. Throws SchemaNewer or SQLite's own error. */
  constructor(path: string) {
    this.db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON')
      this.db.exec('PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -4000')
      migrate(this.db)
    } catch (error) {
      this.db.close()
      throw error
    }
  }

  statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const prepared = this.db.prepare(sql)
    this.#statements.set(sql, prepared)
    return prepared
  }

  cursor(): Cursor | null {
    const row = this.statement('SELECT journal_id, seq FROM cursor').get()
    return row ? { journalId: row.journal_id as string, seq: row.seq as number } : null
  }

  /** Imports one batch. Returns the exits among it that were not known before. */
  import(
    events: readonly FleetEvent[],
    dossier: DossierMaker,
    notes: ReadonlyMap<string, RunNotes>,
  ): NewExit[] {
    const last = events.at(-1)
    if (!last) return []
    return this.#transaction(() => {
      const exits: NewExit[] = []
      for (const event of events) {
        this.#insertEvent(event)
        keepJobRow(sql => this.statement(sql), event, timeOf(event))
        const exit = event.kind === 'exited' ? this.#insertExit(event, dossier, notes) : null
        if (exit) exits.push(exit)
      }
      this.statement(
        `INSERT INTO cursor (one, journal_id, seq) VALUES (1, ?, ?)
         ON CONFLICT (one) DO UPDATE SET journal_id = excluded.journal_id, seq = excluded.seq`,
      ).run(last.journal_id, last.seq)
      return exits
    })
  }

  /** Adds notes to a dossier that came first. False: there is no such exit yet. */
  annotate(notes: RunNotes): boolean {
    const row = this.statement('SELECT dossier_id FROM exits WHERE run_id = ?').get(notes.runId)
    if (!row) return false
    this.statement(
      `UPDATE dossiers SET resources = ?, heartbeat = ?, traceback = coalesce(traceback, ?),
         exception_type = coalesce(exception_type, ?), message = coalesce(message, ?) WHERE id = ?`,
    ).run(
      json(notes.resources),
      json(notes.heartbeat),
      notes.crash?.traceback ?? null,
      notes.crash?.error.type ?? null,
      notes.crash?.error.message ?? null,
      row.dossier_id as number | null,
    )
    return true
  }

  /** Deletes at most `limit` rows of what ended before `beforeMs`. True: there is more. */
  forget(beforeMs: number, limit: number): boolean {
    return this.#transaction(() => {
      const gone = [
        this.statement('DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ? LIMIT ?)'),
        this.statement(
          'DELETE FROM exits WHERE run_id IN (SELECT run_id FROM exits WHERE at_ms < ? LIMIT ?)',
        ),
        this.statement(
          `DELETE FROM dossiers WHERE id IN (SELECT d.id FROM dossiers d WHERE d.last_at_ms < ?
             AND NOT EXISTS (SELECT 1 FROM exits e WHERE e.dossier_id = d.id) LIMIT ?)`,
        ),
      ].map(statement => Number(statement.run(beforeMs, limit).changes))
      gone.push(forgetJobRows(sql => this.statement(sql), beforeMs, limit))
      return gone.some(count => count >= limit)
    })
  }

  close(): void {
    this.#statements.clear()
    this.db.close()
  }

  #transaction<T>(work: () => T): T {
    this.db.exec('BEGIN IMMEDIATE')
    try {
      const value = work()
      this.db.exec('COMMIT')
      return value
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      throw error
    }
  }

  #insertEvent(event: FleetEvent): void {
    this.statement(
      `INSERT OR IGNORE INTO events (journal_id, seq, at_ms, kind, module, run_id, data)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ).run(
      event.journal_id,
      event.seq,
      timeOf(event),
      event.kind,
      moduleOf(event.module),
      event.run_id,
      JSON.stringify(event.data),
    )
  }

  #insertExit(
    event: FleetEvent,
    dossier: DossierMaker,
    notes: ReadonlyMap<string, RunNotes>,
  ): NewExit | null {
    const { run_id: runId, data } = event
    const module = moduleOf(event.module)
    if (runId === null || module === null) return null
    if (this.statement('SELECT 1 FROM exits WHERE run_id = ?').get(runId)) return null
    const started = this.statement("SELECT data FROM events WHERE run_id = ? AND kind = 'started'").get(runId)
    const from = started
      ? integer((JSON.parse(started.data as string) as Record<string, unknown>).log_offset)
      : null
    const crash = notes.get(runId)?.crash ?? null
    const draft = dossier(event, { module, from, to: integer(data.log_offset) }, crash)
    const dossierId = draft ? this.#putDossier(module, timeOf(event), draft, notes.get(runId)) : null
    this.statement(
      `INSERT INTO exits (run_id, module, at_ms, known, code, signal, core, oom, evidence, asked, uptime_s,
         reason, fingerprint, dossier_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(
      runId,
      module,
      timeOf(event),
      data.known === true ? 1 : 0,
      integer(data.code),
      textOrNull(data.signal),
      flag(data.core),
      flag(data.oom),
      textOrNull(data.evidence) ?? 'none',
      data.asked === true ? 1 : 0,
      typeof data.uptime_s === 'number' ? data.uptime_s : null,
      textOrNull(data.reason) ?? '',
      draft?.fingerprint ?? null,
      dossierId,
    )
    return { module, runId, fingerprint: draft?.fingerprint ?? null }
  }

  #putDossier(module: string, atMs: number, draft: DossierDraft, notes: RunNotes | undefined): number {
    const row = this.statement(
      `INSERT INTO dossiers (module, fingerprint, first_at_ms, last_at_ms, count, exception_type, message,
         root_cause, frame_file, frame_line, frame_function, traceback, lines, resources, heartbeat)
       VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (module, fingerprint) DO UPDATE SET count = count + 1, last_at_ms = excluded.last_at_ms,
         message = excluded.message, frame_line = excluded.frame_line, traceback = excluded.traceback,
         lines = excluded.lines, resources = excluded.resources, heartbeat = excluded.heartbeat
       RETURNING id`,
    ).get(
      module,
      draft.fingerprint,
      atMs,
      atMs,
      draft.exceptionType,
      draft.message,
      draft.rootCause,
      draft.frame?.file ?? null,
      draft.frame?.line ?? null,
      draft.frame?.function ?? null,
      draft.traceback,
      JSON.stringify(draft.lines),
      json(notes?.resources),
      json(notes?.heartbeat),
    )
    return row?.id as number
  }
}

/** The incoming run of a reload, `x~next`, belongs to x. */
function moduleOf(name: string | null): string | null {
  return name?.endsWith('~next') ? name.slice(0, -'~next'.length) : name
}

function timeOf(event: FleetEvent): number {
  const ms = Date.parse(event.at)
  return Number.isNaN(ms) ? 0 : ms
}

function json(value: unknown): string | null {
  return value == null ? null : JSON.stringify(value)
}

function integer(value: unknown): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function flag(value: unknown): number | null {
  return typeof value === 'boolean' ? Number(value) : null
}
