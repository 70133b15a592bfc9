/**
 * Makes the dossier of one exit from the last output of that run: traceback, last 50 lines, fingerprint.
 * Redacts the output first, whole and before anything is cut or searched: half a secret is one too, and so is
 * a key of many lines. Pure but for the hash.
 */
import { createHash } from 'node:crypto'
import type { Redactor } from '../../core/redact.ts'
import { findTracebacks } from '../../core/traceback.ts'
import { fingerprintText, lineTemplate } from '../../core/traceback-fingerprint.ts'
import type { Traceback } from '../../core/traceback-shape.ts'
import type { CrashNote, DossierDraft } from './draft.ts'

export interface ExitFacts {
  readonly known: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly oom: boolean | null
}

/** How much of a run's output is read for its dossier. */
export const OUTPUT_MAX_BYTES = 256 * 1024
const LINES_KEPT = 50
const LINES_SEARCHED = 20_000
const LINE_MAX = 2000
const MESSAGE_MAX = 4000
/** Of a long traceback both ends are kept: where it was raised, and what it is or what caused it. */
const TRACEBACK_HEAD = 120
const TRACEBACK_TAIL = 80
/** A traceback further than this from the end was survived, and is not what ended the run. */
const MAX_LINES_AFTER = 50
/** These come from outside: what the module logged last says nothing about why. */
const FROM_OUTSIDE = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'])

/**
 * `output`: the end of the run's own output (and of no other run's), as text. `crash`: what the SDK said had
 * ended it, redacted; it counts where the output holds no traceback.
 */
export function makeDossier(
  exit: ExitFacts,
  output: string,
  redact: Redactor,
  crash: CrashNote | null = null,
): DossierDraft {
  const all = redact(wholeLines(output)).split('\n').slice(-LINES_SEARCHED)
  if (all.at(-1) === '') all.pop()
  const one = fatal(exit, all)
  if (one === null && crash !== null && !isFromOutside(exit)) return crashDossier(crash, all)
  return {
    fingerprint: fingerprintOf(exit, one, all),
    exceptionType: one?.type ?? null,
    message: one?.message?.slice(0, MESSAGE_MAX) ?? null,
    rootCause: one?.rootCause ?? null,
    frame: one?.frame ?? null,
    traceback: one
      ? bothEnds(all.slice(one.firstLine - 1, one.lastLine))
          .map(clip)
          .join('\n')
      : null,
    lines: all.slice(-LINES_KEPT).map(clip),
  }
}

function crashDossier({ error, traceback }: CrashNote, all: readonly string[]): DossierDraft {
  const told = (traceback ?? '').trimEnd().split('\n')
  const one = findTracebacks(told).at(-1) ?? null
  const type = one?.type ?? error.type ?? null
  const message = one?.message ?? error.message ?? null
  return {
    fingerprint: one
      ? hash(fingerprintText(one))
      : hash(`crash\n${type ?? ''}\n${lineTemplate(message?.split('\n')[0] ?? '')}`),
    exceptionType: type,
    message: message?.slice(0, MESSAGE_MAX) ?? null,
    rootCause: one?.rootCause ?? null,
    frame: one?.frame ?? null,
    traceback: traceback ? bothEnds(told).map(clip).join('\n') : null,
    lines: all.slice(-LINES_KEPT).map(clip),
  }
}

function isFromOutside(exit: ExitFacts): boolean {
  return exit.signal !== null && FROM_OUTSIDE.has(exit.signal)
}

/** Output that was cut to its end begins inside a line, perhaps inside a secret: that piece goes. */
function wholeLines(output: string): string {
  if (output.length < OUTPUT_MAX_BYTES / 4 || Buffer.byteLength(output) < OUTPUT_MAX_BYTES) return output
  const newline = output.indexOf('\n')
  return newline < 0 ? '' : output.slice(newline + 1)
}

function bothEnds(lines: readonly string[]): readonly string[] {
  const left = lines.length - TRACEBACK_HEAD - TRACEBACK_TAIL
  if (left <= 0) return lines
  return [...lines.slice(0, TRACEBACK_HEAD), `… ${left} lines …`, ...lines.slice(-TRACEBACK_TAIL)]
}

function fatal(exit: ExitFacts, lines: readonly string[]): Traceback | null {
  if (isFromOutside(exit)) return null
  const found = findTracebacks(lines)
  const last = found.findLast(one => !isAftermath(one)) ?? found.at(-1)
  return last && lines.length - last.lastLine <= MAX_LINES_AFTER ? last : null
}

/** Rust's own panic about a panic that came at a bad time: the one before it says more. */
function isAftermath(one: Traceback): boolean {
  return one.language === 'rust' && /^panic in a (?:destructor|function that cannot)/.test(one.message ?? '')
}

function fingerprintOf(exit: ExitFacts, one: Traceback | null, lines: readonly string[]): string {
  if (one) return hash(fingerprintText(one))
  const how = exit.known ? `${exit.code ?? ''}/${exit.signal ?? ''}/${exit.oom === true}` : 'unknown'
  const silent = !exit.known || isFromOutside(exit)
  const last = silent ? '' : lineTemplate(lines.findLast(line => line.trim() !== '') ?? '')
  return hash(`exit\n${how}\n${last}`)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function clip(line: string): string {
  return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line
}
