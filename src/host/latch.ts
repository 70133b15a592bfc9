/**
 * Kill latches: one file in kill.latch/ for each tripped kill, durable before this returns. A file that is
 * there is a kill; one that cannot be understood is `halt` for all. Writing uses a spare block prepared in
 * advance, so that a full disk cannot refuse a stop. Nothing here ever clears a latch but `removeLatch`.
 */
import {
  chownSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { formatUtc } from '../core/time.ts'
import { readRegularFile, syncDir, writeAll, writeAtomic } from './atomic-file.ts'
import { isPaused } from './pause-files.ts'
import { seal, unseal } from './sealed.ts'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'
import type { StateDir } from './state-dir.ts'

export type KillLevel = 'pause' | 'halt' | 'flatten'

export interface KillRecord {
  /** `K-<ulid>`; for an entry that cannot be read, its file name. */
  readonly id: string
  readonly level: KillLevel
  readonly scope: string
  readonly reason: string | null
  readonly by: string
  readonly at: string
  readonly complete: boolean
  readonly note: string | null
}

export interface Latches {
  /** Unreadable entries stand here too, as `halt` for `all`. */
  readonly kills: KillRecord[]
  readonly unreadable: string[]
}

const RECORD_BYTES = 4096
const SPARES = 4
const LEVELS: ReadonlySet<unknown> = new Set<KillLevel>(['pause', 'halt', 'flatten'])
const NEWLINE = Buffer.from('\n')

/** Coarsest clock that a file system stamps its directories with. */
const STAMP_NS = 100_000_000n

/**
 * Looks into a directory of latches only when it changed, as long as nothing is tripped: that is asked at
 * every start. What was changed within one tick of the stamp before is looked at again.
 */
export class LatchWatch {
  readonly #dir: string
  #emptyAt: bigint | null = null

  constructor(dir: string) {
    this.#dir = dir
  }

  /** As `readLatches`. */
  read(): Latches {
    const stampNs = changedNs(this.#dir)
    if (stampNs !== null && stampNs === this.#emptyAt) return { kills: [], unreadable: [] }
    const latches = readLatches(this.#dir)
    const ageNs = BigInt(Date.now()) * 1_000_000n - (stampNs ?? 0n)
    const isSettled = stampNs !== null && (ageNs > STAMP_NS || ageNs < -STAMP_NS)
    this.#emptyAt = isSettled && latches.kills.length === 0 ? stampNs : null
    return latches
  }
}

function changedNs(dir: string): bigint | null {
  try {
    return lstatSync(dir, { bigint: true }).ctimeNs
  } catch {
    return null
  }
}

/** All tripped kills, oldest first. Throws only HostShortage, when it could not look. */
export function readLatches(dir: string): Latches {
  let names: string[]
  try {
    names = readdirSync(dir)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { kills: [], unreadable: [] }
    if (isShortage(error)) throw new HostShortage(`to read ${dir}`, errnoOf(error) ?? 'EMFILE')
    return { kills: [haltAll('kill.latch', dir)], unreadable: [dir] }
  }
  const latches: Latches = { kills: [], unreadable: [] }
  for (const name of names.filter(name => !name.startsWith('.')).sort()) {
    const record = readRecord(join(dir, name), name.replace(/\.json$/, ''))
    if (record === 'gone') continue
    if (record === null) latches.unreadable.push(join(dir, name))
    latches.kills.push(record ?? haltAll(name.replace(/\.json$/, ''), join(dir, name)))
  }
  return latches
}

/**
 * Trips a kill: durable, directory included, when this returns. On a full disk without a spare the entry is
 * empty and so stands for `halt` of all.
 */
export function writeLatch(state: StateDir, record: KillRecord): void {
  checkId(record.id)
  mkdirSync(state.latchDir, { recursive: true, mode: 0o700 })
  const bytes = encode(record)
  const target = join(state.latchDir, `${record.id}.json`)
  if (!writeIntoSpare(state.latchDir, record.id, bytes, target)) writeWithoutSpare(target, bytes)
  syncDir(state.latchDir)
}

/** Keeps four filled blocks ready. Call it at start and after each kill; a full disk is no error here. */
export function prepareSpare(state: StateDir): boolean {
  try {
    mkdirSync(state.latchDir, { recursive: true, mode: 0o700 })
    for (let n = 1; n <= SPARES; n++) {
      const spare = join(state.latchDir, `.spare-${n}`)
      if (readRegularFile(spare)?.length === RECORD_BYTES) continue
      writeAtomic(spare, Buffer.alloc(RECORD_BYTES, 0x20), { mode: 0o600, fsync: true })
    }
    return true
  } catch {
    return false
  }
}

/** Marks a kill as carried out. MARK_NO_SUCH_KILL when there is none of that name. */
export function completeLatch(state: StateDir, id: string, note: string | null): void {
  checkId(id)
  const record = readRecord(join(state.latchDir, `${id}.json`), id)
  if (record === 'gone') throw noSuchKill(id)
  writeLatch(state, { ...(record ?? haltAll(id, state.latchDir)), complete: true, note })
}

/** Releases one kill, durably. MARK_NO_SUCH_KILL when there is none of that name. */
export function removeLatch(state: StateDir, id: string): void {
  checkId(id)
  const name = readdirSync(state.latchDir).find(name => name === `${id}.json` || name === id)
  if (name === undefined) throw noSuchKill(id)
  rmSync(join(state.latchDir, name), { recursive: true })
  syncDir(state.latchDir)
}

/**
 * halt/<module>: what a module reads when no MARK process is alive. null removes it, unless somebody paused
 * the module. `owner`: only where it is to belong to somebody else than MARK.
 */
export function haltFile(
  state: StateDir,
  module: string,
  level: KillLevel | null,
  owner?: { readonly uid: number; readonly gid: number },
): void {
  const path = join(state.haltDir, module)
  if (level === null && isPaused(state, module)) return haltFile(state, module, 'pause', owner)
  if (level === null) {
    rmSync(path, { force: true, recursive: true })
    return
  }
  mkdirSync(state.haltDir, { recursive: true, mode: 0o755 })
  writeAtomic(path, `${level}\n`, { mode: 0o644, fsync: false })
  if (owner) chownSync(path, owner.uid, owner.gid)
}

/** Claiming by rename: two writers never fill the same spare. */
function writeIntoSpare(dir: string, id: string, bytes: Buffer, target: string): boolean {
  const claim = join(dir, `.claim-${id}`)
  for (let n = 1; n <= SPARES; n++) {
    try {
      renameSync(join(dir, `.spare-${n}`), claim)
    } catch {
      continue
    }
    try {
      const fd = openSync(claim, constants.O_WRONLY | constants.O_NOFOLLOW)
      try {
        writeAll(fd, bytes, 0)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(claim, target)
      return true
    } catch {
      rmSync(claim, { force: true })
    }
  }
  return false
}

function writeWithoutSpare(target: string, bytes: Buffer): void {
  try {
    writeAtomic(target, bytes, { mode: 0o600, fsync: true })
  } catch {
    closeSync(openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600))
  }
}

/** Always one block long, so that it fits into a spare; a reason that is too long for it is cut. */
function encode(record: KillRecord): Buffer {
  let json = Buffer.from(seal(record))
  for (let keep = 2048; json.length >= RECORD_BYTES; keep = Math.floor(keep / 2)) {
    const { reason, note, by, scope } = record
    const cut = {
      reason: reason?.slice(0, keep) ?? null,
      note: note?.slice(0, keep) ?? null,
      by: by.slice(0, keep),
    }
    json = Buffer.from(seal({ ...record, ...cut, scope: keep < 64 ? 'all' : scope }))
  }
  return Buffer.concat([json, Buffer.alloc(RECORD_BYTES - 1 - json.length, 0x20), NEWLINE])
}

/** null: there, but not to be understood. */
function readRecord(path: string, id: string): KillRecord | 'gone' | null {
  try {
    const bytes = readRegularFile(path)
    if (bytes === null) return 'gone'
    const value = unseal(bytes.toString('utf8')) as Partial<KillRecord> | null
    if (value?.id !== id || !LEVELS.has(value.level) || typeof value.scope !== 'string') return null
    const { level, scope, reason, by, at, complete, note } = value as KillRecord
    return {
      id,
      level,
      scope,
      reason: typeof reason === 'string' ? reason : null,
      by: typeof by === 'string' ? by : 'unknown',
      at: formatUtc(Date.parse(at) || 0),
      complete: complete === true,
      note: typeof note === 'string' ? note : null,
    }
  } catch (error) {
    if (error instanceof HostShortage) throw error
    return null
  }
}

/** As old as the entry at `path`. */
function haltAll(id: string, path: string): KillRecord {
  const reason = 'this entry cannot be read, so it halts all'
  const at = formatUtc(lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return { id, level: 'halt', scope: 'all', reason, by: 'unknown', at, complete: false, note: null }
}

function checkId(id: string): void {
  if (!/^[\w-][\w.-]{0,99}$/.test(id)) throw noSuchKill(id.slice(0, 100))
}

function noSuchKill(id: string): MarkError {
  return new MarkError('MARK_NO_SUCH_KILL', `There is no kill ${id}.`, 'See `mark kill list`.')
}
