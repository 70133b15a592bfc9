/**
 * Can this version go on from what lies in a state directory? Reads all that a keeper begins with and changes
 * nothing: a running keeper still works on it.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { peekChecked, readRegularFile } from './atomic-file.ts'
import { decodeRecord, isMark } from './journal-record.ts'
import type { StateDir } from './state-dir.ts'

/** Throws MARK_STATE_NEWER for what a later version wrote, MARK_STATE_UNREADABLE for what proves nothing. */
export function checkState(state: StateDir): void {
  for (const path of [state.plan, state.children]) {
    const { value, source } = peekChecked(path)
    if (source === 'none' && existsSync(path)) throw unreadable(path)
    known(path, (value as { version?: unknown } | null)?.version)
  }
  for (const name of readdirSync(state.runs)) {
    const path = join(state.runs, name)
    if (name.endsWith('.json')) known(path, parse(readRegularFile(path))?.version)
  }
  const journal = readRegularFile(state.journal)
  if (journal !== null) for (const line of linesOf(journal)) known(state.journal, formatOf(line))
}

/** Absent or 1: as this version writes it. */
function known(path: string, version: unknown): void {
  if (typeof version !== 'number' || version <= 1) return
  throw new MarkError(
    'MARK_STATE_NEWER',
    `${path} was written by a later version of MARK (format ${version}, this one knows 1).`,
    'Use the version of MARK that wrote it. Nothing was changed.',
  )
}

function formatOf(line: Buffer): number | null {
  const record = decodeRecord(line)
  return record !== null && isMark(record) ? record.journal : null
}

/** A record may vanish while it is looked for: its run ended. */
function parse(bytes: Buffer | null): { version?: unknown } | null {
  try {
    return JSON.parse(bytes?.toString('utf8') ?? 'null') as { version?: unknown } | null
  } catch {
    return null
  }
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(10, at)
    if (newline < 0) return
    yield bytes.subarray(at, newline)
    at = newline + 1
  }
}

function unreadable(path: string): MarkError {
  return new MarkError(
    'MARK_STATE_UNREADABLE',
    `${path} is damaged, and so is its backup.`,
    'Change something small, such as a hold, so that the keeper writes it anew; then try again.',
  )
}
