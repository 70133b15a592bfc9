/**
 * runs/<run_id>.json, one per live run, and runs/<run_id>.exit, what the daemon saw of a run's end while
 * there was no keeper. No fsync: they must outlive kill -9, not a power cut, which ends every run anyway.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Exit } from '../core/exit.ts'
import type { RunRecord } from '../core/keeper-state.ts'
import { readRegularFile, writeAll, writeAtomic } from './atomic-file.ts'
import { seal, unseal } from './sealed.ts'
import { errnoOf, HostShortage, isShortage, noRoom } from './shortage.ts'
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
/** Numbers of spares that became records. */
const takenSpares: number[] = []

/**
 * Writes it where it is to stay, in one write: a kill leaves all of it or none. What stands in its place and
 * is no file goes. Throws what the file system says.
 */
export function writeRunRecord(state: StateDir, record: RunRecord): void {
  const path = join(state.runs, `${record.run_id}.json`)
  const bytes = Buffer.from(seal(record).padEnd(RECORD_BYTES))
  try {
    writeInPlace(path, bytes)
  } catch (error) {
    if (noRoom(error)) return writeIntoSpare(state, path, bytes, error)
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== false) throw error
    rmSync(path, { recursive: true })
    writeInPlace(path, bytes)
  }
}

/** Call it when there may be room: best at a keeper's start. */
export function fillSpares(state: StateDir): void {
  try {
    for (let n = 0; n < SPARES; n++) {
      const path = join(state.runs, `.spare-${n}`)
      const found = lstatSync(path, { throwIfNoEntry: false })
      if (found?.isFile() && found.size >= RECORD_BYTES) continue
      if (found?.isDirectory()) rmSync(path, { recursive: true })
      writeAtomic(path, Buffer.alloc(RECORD_BYTES, ' '), { mode: 0o600, fsync: false })
    }
  } catch {
    // The disk is full already: what spares there are must do.
  }
}

function writeInPlace(path: string, bytes: Buffer): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    writeAll(fd, bytes, 0)
  } finally {
    closeSync(fd)
  }
}

/** Filled before it gets its name: a kill in between leaves a spare, not a record of somebody else. */
function writeIntoSpare(state: StateDir, path: string, bytes: Buffer, why: unknown): void {
  for (let n = 0; n < SPARES; n++) {
    const spare = join(state.runs, `.spare-${n}`)
    if (lstatSync(spare, { throwIfNoEntry: false })?.isFile() !== true) continue
    try {
      writeInPlace(spare, bytes)
      renameSync(spare, path)
      takenSpares.push(n)
      return
    } catch {
      // Not this one: the next.
    }
  }
  throw why
}

/**
 * Removes a run's record and its evidence. The record takes the place of a spare that was used: so there are
 * some on a full disk. Only then: a rename over a file is flushed by ext4.
 */
export function removeRunRecord(state: StateDir, runId: string): void {
  const path = join(state.runs, `${runId}.json`)
  const place = takenSpares.pop()
  try {
    if (place === undefined) unlinkSync(path)
    else renameSync(path, join(state.runs, `.spare-${place}`))
  } catch {
    rmSync(path, { force: true, recursive: true })
  }
  rmSync(join(state.runs, `${runId}.exit`), { force: true, recursive: true })
}

/**
 * Every readable record under its own name but those that are known; one that is torn proves nothing and is
 * left out. Throws only HostShortage, when it could not look.
 */
export function readRunRecords(
  state: StateDir,
  isKnown: (runId: string) => boolean = () => false,
): RunRecord[] {
  let names: string[]
  try {
    names = readdirSync(state.runs)
  } catch (error) {
    if (isShortage(error)) throw new HostShortage(`to read ${state.runs}`, errnoOf(error) ?? 'EMFILE')
    return []
  }
  return names
    .filter(name => name.endsWith('.json') && !isKnown(name.slice(0, -'.json'.length)))
    .flatMap(name => {
      const record = readJson<RunRecord>(join(state.runs, name))
      return record?.version === 1 && name === `${record.run_id}.json` ? [record] : []
    })
}

export function writeExitEvidence(state: StateDir, evidence: ExitEvidence): void {
  writeAtomic(join(state.runs, `${evidence.run_id}.exit`), seal(evidence), {
    mode: 0o600,
    fsync: false,
  })
}

export function readExitEvidence(state: StateDir, runId: string): ExitEvidence | null {
  return readJson<ExitEvidence>(join(state.runs, `${runId}.exit`))
}

function readJson<T>(path: string): T | null {
  try {
    return unseal(readRegularFile(path)?.toString('utf8') ?? '') as T | null
  } catch (error) {
    if (error instanceof HostShortage) throw error
    return null
  }
}
