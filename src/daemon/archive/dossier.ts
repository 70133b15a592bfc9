/**
 * Makes the dossier of one exit from the last output of that run: traceback, last 50 lines, fingerprint.
 * Redacts everything before it leaves this file. Pure but for the hash.
 */
import { createHash } from 'node:crypto'
import type { Redactor } from '../../core/redact.ts'
import { findTracebacks, fingerprintText, lineTemplate } from '../../core/traceback.ts'
import type { Traceback } from '../../core/traceback-shape.ts'
import type { DossierDraft } from './draft.ts'

export interface ExitFacts {
  readonly known: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly oom: boolean | null
}

/** How much of a run's output is read for its dossier. */
export const OUTPUT_MAX_BYTES = 256 * 1024
const LINES_KEPT = 50
const LINES_SEARCHED = 3000
const LINE_MAX = 2000
/** A traceback further than this from the end was survived, and is not what ended the run. */
const MAX_LINES_AFTER = 50
/** These come from outside: what the module logged last says nothing about why. */
const FROM_OUTSIDE = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'])

/** `output`: the end of the run's own output (and of no other run's), as text. */
export function makeDossier(exit: ExitFacts, output: string, redact: Redactor): DossierDraft {
  const all = output.split('\n').slice(-LINES_SEARCHED)
  if (all.at(-1) === '') all.pop()
  const one = fatal(exit, all)
  const lines = all.slice(-LINES_KEPT).map(line => redact(clip(line)))
  const text = one
    ? all
        .slice(one.firstLine - 1, one.lastLine)
        .slice(-200)
        .map(clip)
        .join('\n')
    : null
  return {
    fingerprint: fingerprintOf(exit, one, all),
    exceptionType: one?.type ?? null,
    message: one?.message == null ? null : redact(one.message.slice(0, 4000)),
    rootCause: one?.rootCause ?? null,
    frame: one?.frame ?? null,
    traceback: text === null ? null : redact(text),
    lines,
  }
}

function fatal(exit: ExitFacts, lines: readonly string[]): Traceback | null {
  if (exit.signal !== null && FROM_OUTSIDE.has(exit.signal)) return null
  const last = findTracebacks(lines).at(-1)
  return last && lines.length - last.lastLine <= MAX_LINES_AFTER ? last : null
}

function fingerprintOf(exit: ExitFacts, one: Traceback | null, lines: readonly string[]): string {
  if (one) return hash(fingerprintText(one))
  const how = exit.known ? `${exit.code ?? ''}/${exit.signal ?? ''}/${exit.oom === true}` : 'unknown'
  const silent = !exit.known || (exit.signal !== null && FROM_OUTSIDE.has(exit.signal))
  const last = silent ? '' : lineTemplate(lines.findLast(line => line.trim() !== '') ?? '')
  return hash(`exit\n${how}\n${last}`)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function clip(line: string): string {
  return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line
}
