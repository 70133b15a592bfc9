/**
 * The archive's thread: SQLite, journal reading and dossiers, so that a slow disk or a locked file stops
 * nothing but the archive. Started only by client.ts. Ends when it is told to, or with the daemon.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type Redactor, redactor } from '../../core/redact.ts'
import type { Uptime } from '../../core/uptime.ts'
import type { FleetEvent } from '../../core/view.ts'
import { readJournal } from '../../host/journal-reader.ts'
import { readRange } from '../../host/log-reader.ts'
import { makeDossier, OUTPUT_MAX_BYTES } from './dossier.ts'
import { Importer } from './importer.ts'
import type { ArchiveReads, ArchiveSetup, FromArchive, ToArchive } from './protocol.ts'
import * as queries from './queries.ts'
import type { DossierDraft } from './draft.ts'
import type { Span, Store } from './store.ts'

const port = parentPort
if (!port) throw new Error('archive/worker.ts runs only as a thread of the daemon')
const setup = workerData as ArchiveSetup
let redact: Redactor = redactor([])

const say = (message: FromArchive): void => port.postMessage(message)

const importer = new Importer({
  path: setup.archive,
  readJournal: (afterSeq, limit) => readJournal(setup.journal, afterSeq, limit),
  dossier: dossierOf,
  imported: exits => say({ kind: 'imported', exits }),
  problemChanged: problem => say({ kind: 'problem', problem }),
})

/** An exit that was asked for and went well needs no dossier. */
function dossierOf(event: FleetEvent, span: Span): DossierDraft | null {
  const { known, code, signal, oom, asked } = event.data
  if (asked === true && (code === 0 || signal === 'SIGTERM' || signal === 'SIGINT')) return null
  const exit = {
    known: known === true,
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? signal : null,
    oom: oom === true,
  }
  return makeDossier(exit, outputOf(span), redact)
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
      return importer.wake()
    case 'note':
      return importer.note(message.notes)
    case 'retain':
      return importer.retain(message.beforeMs)
    case 'secrets':
      redact = redactor(message.values)
      return
    case 'close':
      importer.close()
      port.close()
  }
})
