/**
 * The archive's thread: SQLite, journal reading and dossiers, so that a slow disk or a locked file stops
 * nothing but the archive. Started only by client.ts. Ends when it is told to, or with the daemon.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type Redactor, redactData, redactor } from '../../core/redact.ts'
import type { Uptime } from '../../core/uptime.ts'
import type { FleetEvent } from '../../core/view.ts'
import { readJournal } from '../../host/journal-reader.ts'
import { readRange } from '../../host/log-reader.ts'
import { makeDossier, OUTPUT_MAX_BYTES } from './dossier.ts'
import { Importer } from './importer.ts'
import * as jobQueries from './job-queries.ts'
import type { ArchiveReads, ArchiveSetup, FromArchive, ToArchive } from './protocol.ts'
import * as queries from './queries.ts'
import type { CrashNote, DossierDraft, RunNotes } from './draft.ts'
import type { Span, Store } from './store.ts'

const port = parentPort
if (!port) throw new Error('archive/worker.ts runs only as a thread of the daemon')
const setup = workerData as ArchiveSetup
/** null until the daemon has said what must never be stored: nothing is imported before. */
let redact: Redactor | null = null
const NOTES_MAX = 1000
/** Notes that came before that. */
const early: RunNotes[] = []

const say = (message: FromArchive): void => port.postMessage(message)

const importer = new Importer({
  path: setup.archive,
  readJournal: cleanJournal,
  dossier: dossierOf,
  imported: exits => say({ kind: 'imported', exits }),
  problemChanged: problem => say({ kind: 'problem', problem }),
})

/** The journal is the keeper's own record; what goes on from here has no secret in it. */
function cleanJournal(afterSeq: number, limit: number): ReturnType<typeof readJournal> {
  const read = readJournal(setup.journal, afterSeq, limit)
  return { ...read, events: read.events.map(event => ({ ...event, data: cleaned(event.data) })) }
}

function cleaned<T>(data: T): T {
  return redactData(data, redact ?? redactor([])) as T
}

/** An exit that was asked for and went well needs no dossier. */
function dossierOf(event: FleetEvent, span: Span, crash: CrashNote | null): DossierDraft | null {
  const { known, code, signal, oom, asked } = event.data
  if (asked === true && (code === 0 || signal === 'SIGTERM' || signal === 'SIGINT')) return null
  const exit = {
    known: known === true,
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? signal : null,
    oom: oom === true,
  }
  return makeDossier(exit, outputOf(span), redact ?? redactor([]), crash)
}

/**
 * The end of what this run wrote; empty when it is not known where the run began or ended, or nothing is
 * left.
 */
function outputOf(span: Span): string {
  if (span.from === null || span.to === null || span.to <= span.from) return ''
  try {
    const from = Math.max(span.from, span.to - OUTPUT_MAX_BYTES)
    return readRange(setup.logs, span.module, from, span.to, OUTPUT_MAX_BYTES).toString('utf8')
  } catch {
    return ''
  }
}

const READS: {
  [K in keyof ArchiveReads]: (store: Store, argument: Parameters<ArchiveReads[K]>[0]) => unknown
} = {
  events: queries.findEvents,
  idOf: (store, at) => queries.idOf(store, at.journalId, at.seq),
  exits: queries.findExits,
  exit: queries.findExit,
  fingerprints: queries.lastFingerprints,
  startOffset: queries.startOffset,
  jobRows: jobQueries.findJobRows,
  jobRow: jobQueries.findJobRow,
  spans: jobQueries.findSpans,
  uptime: (store, query) => {
    const found: Record<string, Uptime> = {}
    for (const module of query.modules)
      found[module] = queries.findUptime(store, module, query.fromMs, query.toMs)
    return found
  },
}

function answer(ask: ToArchive & { kind: 'ask' }): void {
  try {
    const read = READS[ask.read] as (store: Store, argument: unknown) => unknown
    say({ kind: 'answer', id: ask.id, value: importer.read(store => read(store, ask.argument)) })
  } catch (error) {
    say({ kind: 'failed', id: ask.id, why: (error as Error).message })
  }
}

port.on('message', (message: ToArchive) => {
  switch (message.kind) {
    case 'ask':
      return answer(message)
    case 'wake':
      if (redact) importer.wake()
      return
    case 'note':
      if (redact) return importer.note(cleaned(message.notes))
      if (early.length < NOTES_MAX) early.push(message.notes)
      return
    case 'retain':
      return importer.retain(message.beforeMs)
    case 'secrets':
      redact = redactor(message.values)
      for (const notes of early.splice(0)) importer.note(cleaned(notes))
      return importer.wake()
    case 'close':
      importer.close()
      port.close()
  }
})
