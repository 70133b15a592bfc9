/**
 * runs/<run_id>.json, one per live run, and runs/<run_id>.exit, what the daemon saw of a run's end while
 * there was no keeper. No fsync: they must outlive kill -9, not a power cut, which ends every run anyway.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Exit } from '../core/exit.ts'
import type { RunRecord } from '../core/keeper-state.ts'
import { readRegularFile, writeAtomic } from './atomic-file.ts'
import type { StateDir } from './state-dir.ts'

export interface ExitEvidence {
  readonly run_id: string
  readonly pid: number
  readonly exit: Exit
  readonly at: string
}

/** Throws what the file system says. */
export function writeRunRecord(state: StateDir, record: RunRecord): void {
  writeAtomic(join(state.runs, `${record.run_id}.json`), JSON.stringify(record), {
    mode: 0o600,
    fsync: false,
  })
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
