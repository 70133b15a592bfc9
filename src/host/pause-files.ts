/**
 * paused/<module>.<source>: who paused a module, durable until it is resumed. A file that is there is a
 * pause, also one that cannot be understood: then it is an operator's, which nothing takes back by itself.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readRegularFile, syncDir, writeAtomic } from './atomic-file.ts'
import { seal, unseal } from './sealed.ts'
import type { StateDir } from './state-dir.ts'

/** `stale`: MARK itself did, and takes it back when the run is fresh again. */
export type PauseSource = 'operator' | 'stale'

export interface PauseRecord {
  readonly module: string
  readonly source: PauseSource
  readonly by: string
  readonly reason: string | null
  readonly at: string
  /** The run that was paused; an operator's pause is for every run of the module. */
  readonly run_id: string | null
}

const SOURCES = ['operator', 'stale'] as const

type Place = Pick<StateDir, 'pauseDir'>

/** Durable when it returns. */
export function writePause(state: Place, record: PauseRecord): void {
  mkdirSync(state.pauseDir, { recursive: true, mode: 0o700 })
  writeAtomic(pathOf(state, record.module, record.source), seal(record), { mode: 0o600, fsync: true })
}

/** False: there was none. */
export function removePause(state: Place, module: string, source: PauseSource): boolean {
  const path = pathOf(state, module, source)
  if (!existsSync(path)) return false
  rmSync(path, { force: true, recursive: true })
  syncDir(state.pauseDir)
  return true
}

export function isPaused(state: Place, module: string): boolean {
  return SOURCES.some(source => existsSync(pathOf(state, module, source)))
}

export function readPauses(state: Place): PauseRecord[] {
  if (!existsSync(state.pauseDir)) return []
  return readdirSync(state.pauseDir).flatMap(name => {
    const at = name.lastIndexOf('.')
    const source = SOURCES.find(known => known === name.slice(at + 1))
    return source === undefined || at < 1 ? [] : [readPause(state, name.slice(0, at), source)]
  })
}

function readPause(state: Place, module: string, source: PauseSource): PauseRecord {
  try {
    const bytes = readRegularFile(pathOf(state, module, source))
    const record = unseal(bytes?.toString('utf8') ?? '') as PauseRecord | null
    if (record?.module === module && record.source === source && typeof record.by === 'string') return record
  } catch {
    // It is there: that is enough.
  }
  return { module, source: 'operator', by: 'unknown', reason: 'its file is damaged', at: '', run_id: null }
}

function pathOf(state: Place, module: string, source: PauseSource): string {
  return join(state.pauseDir, `${module}.${source}`)
}
