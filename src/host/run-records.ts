/**
 * runs/<run_id>.json, one per live run, and runs/<run_id>.exit, what the daemon saw of a run's end while
 * there was no keeper. No fsync: they must outlive kill -9, not a power cut, which ends every run anyway.
 */
import { closeSync, constants, lstatSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Exit } from '../core/exit.ts'
import type { RunRecord } from '../core/keeper-state.ts'
import { readRegularFile, writeAll, writeAtomic } from './atomic-file.ts'
import { errnoOf } from './shortage.ts'
import type { StateDir } from './state-dir.ts'

export interface ExitEvidence {
  readonly run_id: string
  readonly pid: number
  readonly exit: Exit
  readonly at: string
}

/** Room for every version of a record, so that the later one overwrites the first in one write. */
const RECORD_BYTES = 2048
/** Filled files that become records when the disk is full: a rename needs no room. */
const SPARES = 16

/**
 * Writes it where it is to stay, in one write: a kill leaves all of it or none. Throws what the file system
 * says.
 */
export function writeRunRecord(state: StateDir, record: RunRecord): void {
  const path = join(state.runs, `${record.run_id}.json`)
  const bytes = Buffer.from(JSON.stringify(record).padEnd(RECORD_BYTES))
  let fd: number | null = null
  try {
    fd = openRecord(path)
    writeAll(fd, bytes, 0)
  } catch (error) {
    if (errnoOf(error) !== 'ENOSPC' || !takeSpare(state, path)) throw error
    const spare = openRecord(path)
    writeAll(spare, bytes, 0)
    closeSync(spare)
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** Call it when there may be room: best at a keeper's start. */
export function fillSpares(state: StateDir): void {
  try {
    for (let n = 0; n < SPARES; n++) {
      const path = join(state.runs, `.spare-${n}`)
      if ((lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) >= RECORD_BYTES) continue
      writeAtomic(path, Buffer.alloc(RECORD_BYTES, ' '), { mode: 0o600, fsync: false })
    }
  } catch {
    // The disk is full already: what spares there are must do.
  }
}

function openRecord(path: string): number {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  return openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
}

function takeSpare(state: StateDir, path: string): boolean {
  for (let n = 0; n < SPARES; n++) {
    try {
      renameSync(join(state.runs, `.spare-${n}`), path)
      return true
    } catch {
      // Taken already: the next one.
    }
  }
  return false
}

/** Removes a run's record and its evidence. */
export function removeRunRecord(state: StateDir, runId: string): void {
  rmSync(join(state.runs, `${runId}.json`), { force: true })
  rmSync(join(state.runs, `${runId}.exit`), { force: true })
}

/** Every readable record; one that is torn proves nothing and is left out. */
export function readRunRecords(state: StateDir): RunRecord[] {
  let names: string[]
  try {
    names = readdirSync(state.runs)
  } catch {
    return []
  }
  return names
    .filter(name => name.endsWith('.json'))
    .flatMap(name => {
      const record = readJson<RunRecord>(join(state.runs, name))
      return record && record.version === 1 && typeof record.run_id === 'string' ? [record] : []
    })
}

export function writeExitEvidence(state: StateDir, evidence: ExitEvidence): void {
  writeAtomic(join(state.runs, `${evidence.run_id}.exit`), JSON.stringify(evidence), {
    mode: 0o600,
    fsync: false,
  })
}

export function readExitEvidence(state: StateDir, runId: string): ExitEvidence | null {
  return readJson<ExitEvidence>(join(state.runs, `${runId}.exit`))
}

function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readRegularFile(path)?.toString('utf8') ?? 'null') as T | null
  } catch {
    return null
  }
}
