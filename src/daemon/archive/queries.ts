/**
 * Reads of the archive: events by page, exits, dossiers, uptime. Only SELECTs; every answer is bounded.
 */
import type { DossierRecord, EventPage, EventQuery, ExitQuery, ExitRecord } from '../../contract/api.ts'
import { formatUtc } from '../../core/time.ts'
import { TRANSITION_KINDS, type Transition, type Uptime, uptimeOf } from '../../core/uptime.ts'
import type { EventKind, FleetEvent } from '../../core/view.ts'
import type { Store } from './store.ts'

type Row = Record<string, unknown>

/** The newest events that fit (or the oldest behind `afterId`), oldest first. */
export function findEvents(store: Store, query: EventQuery): EventPage {
  const forward = query.afterId !== null
  const wanted: [string, string | number | null][] = [
    ['module = ?', query.module],
    ['at_ms >= ?', query.sinceMs],
    ['id < ?', query.beforeId],
    ['id > ?', query.afterId],
  ]
  const given = wanted.filter((pair): pair is [string, string | number] => pair[1] !== null)
  const where = given.length === 0 ? '' : `WHERE ${given.map(([clause]) => clause).join(' AND ')}`
  const rows = store
    .statement(`SELECT * FROM events ${where} ORDER BY id ${forward ? 'ASC' : 'DESC'} LIMIT ?`)
    .all(...given.map(([, value]) => value), query.limit + 1) as Row[]
  const more = rows.length > query.limit
  const page = rows.slice(0, query.limit)
  if (!forward) page.reverse()
  return {
    events: page.map(asEvent),
    firstId: (page[0]?.id as number | undefined) ?? null,
    lastId: (page.at(-1)?.id as number | undefined) ?? null,
    more,
  }
}

/** The archive's id of a journal record; null when it is not there (yet, or any more). */
export function idOf(store: Store, journalId: string, seq: number): number | null {
  const row = store.statement('SELECT id FROM events WHERE journal_id = ? AND seq = ?').get(journalId, seq)
  return (row?.id as number | undefined) ?? null
}

/** Exits of one module, newest first. */
export function findExits(store: Store, query: ExitQuery): { exits: ExitRecord[]; more: boolean } {
  const rows = store
    .statement(
      `SELECT * FROM exits WHERE module = ?1 AND (?2 IS NULL OR at_ms < ?2 OR (at_ms = ?2 AND run_id < ?3))
       ORDER BY at_ms DESC, run_id DESC LIMIT ?4`,
    )
    .all(query.module, query.beforeMs, query.beforeRunId, query.limit + 1) as Row[]
  return { exits: rows.slice(0, query.limit).map(asExit), more: rows.length > query.limit }
}

export function findExit(
  store: Store,
  runId: string,
): { exit: ExitRecord; dossier: DossierRecord | null } | null {
  const row = store.statement('SELECT * FROM exits WHERE run_id = ?').get(runId) as Row | undefined
  if (!row) return null
  const dossier = store.statement('SELECT * FROM dossiers WHERE id = ?').get(row.dossier_id as number | null)
  return { exit: asExit(row), dossier: dossier ? asDossier(dossier as Row) : null }
}

/** Fingerprint of each module's last exit, by run_id. */
export function lastFingerprints(
  store: Store,
): { module: string; runId: string; fingerprint: string | null }[] {
  const rows = store
    .statement(
      `SELECT module, run_id, fingerprint FROM exits AS one
       WHERE at_ms = (SELECT max(at_ms) FROM exits AS two WHERE two.module = one.module) LIMIT 10000`,
    )
    .all() as Row[]
  return rows.map(row => ({
    module: row.module as string,
    runId: row.run_id as string,
    fingerprint: row.fingerprint as string | null,
  }))
}

/** Logical log offset at which a run started; null when unknown. */
export function startOffset(store: Store, runId: string): number | null {
  const row = store.statement("SELECT data FROM events WHERE run_id = ? AND kind = 'started'").get(runId)
  const offset = row ? (JSON.parse(row.data as string) as Row).log_offset : null
  return typeof offset === 'number' ? offset : null
}

/** Kinds that are MARK's or an operator's doing when `by` names somebody: then time down is planned. */
const BY_ITSELF = new Set(['keeper', 'mark', 'daemon'])
const KINDS = TRANSITION_KINDS.map(kind => `'${kind}'`).join(', ')

/** Uptime of one module since `fromMs`. What happened before it only opens the window. */
export function findUptime(store: Store, module: string, fromMs: number, toMs: number): Uptime {
  const first = store
    .statement(
      `SELECT id FROM events WHERE module = ? AND at_ms < ?
         AND kind IN ('ready', 'exited', 'stopped', 'completed')
       ORDER BY id DESC LIMIT 1`,
    )
    .get(module, fromMs)
  const rows = store
    .statement(
      `SELECT at_ms, kind, run_id, data FROM events WHERE module = ? AND id >= ? AND (at_ms >= ? OR id = ?)
         AND kind IN (${KINDS}) ORDER BY id`,
    )
    .all(
      module,
      (first?.id as number | undefined) ?? 0,
      fromMs,
      (first?.id as number | undefined) ?? -1,
    ) as Row[]
  return uptimeOf(rows.map(asTransition), fromMs, toMs)
}

function asTransition(row: Row): Transition {
  const data = JSON.parse(row.data as string) as Row
  const byPerson = typeof data.by === 'string' && !BY_ITSELF.has(data.by)
  const asked = row.kind === 'held' ? byPerson : data.asked === true
  return { atMs: row.at_ms as number, kind: row.kind as string, runId: row.run_id as string | null, asked }
}

function asEvent(row: Row): FleetEvent {
  return {
    journal_id: row.journal_id as string,
    seq: row.seq as number,
    at: formatUtc(row.at_ms as number),
    kind: row.kind as EventKind,
    module: row.module as string | null,
    run_id: row.run_id as string | null,
    data: JSON.parse(row.data as string) as Row,
  }
}

function asExit(row: Row): ExitRecord {
  const flag = (value: unknown): boolean | null => (value === null ? null : value === 1)
  return {
    run_id: row.run_id as string,
    module: row.module as string,
    at: formatUtc(row.at_ms as number),
    known: row.known === 1,
    code: row.code as number | null,
    signal: row.signal as string | null,
    core: flag(row.core),
    oom: flag(row.oom),
    evidence: row.evidence as string,
    asked: row.asked === 1,
    uptime_s: row.uptime_s as number | null,
    reason: row.reason as string,
    fingerprint: row.fingerprint as string | null,
    dossier_id: row.dossier_id as number | null,
  }
}

function asDossier(row: Row): DossierRecord {
  const file = row.frame_file as string | null
  const line = row.frame_line as number | null
  const frame = file === null ? null : { file, line, function: row.frame_function as string | null }
  const type = row.exception_type as string | null
  const exception =
    type === null
      ? null
      : { type, message: row.message as string | null, root_cause: row.root_cause as string | null, frame }
  return {
    id: row.id as number,
    module: row.module as string,
    fingerprint: row.fingerprint as string,
    first_at: formatUtc(row.first_at_ms as number),
    last_at: formatUtc(row.last_at_ms as number),
    count: row.count as number,
    exception,
    traceback: row.traceback as string | null,
    lines: JSON.parse(row.lines as string) as string[],
    resources: row.resources === null ? null : JSON.parse(row.resources as string),
    heartbeat: row.heartbeat === null ? null : JSON.parse(row.heartbeat as string),
  }
}
