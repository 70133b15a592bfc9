/**
 * The file of a PersistentMap as docs/persistent-map.md has it: opened only when it is proven whole, written
 * only in whole transactions. Runs in the map's own thread: everything here may wait for the disk. Must never
 * open the database by any other way than SQLite: closing it would let go of SQLite's locks.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { PersistentMapError } from './map-error.ts'
import { FileIdentity } from './map-identity.ts'
import type { Changes, MapPlace } from './map-protocol.ts'
import { checkOf, isEmpty, type Meta, provenRows, readMeta, type Rows } from './map-proof.ts'

const TABLES = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('format', 1), ('count', 0), ('sum', 0), ('fence', 0), ('check', 0);`
const NEW: Meta = { count: 0, sum: 0, fence: 0 }

export class MapFile {
  readonly #db: DatabaseSync
  readonly #place: MapPlace
  /** What the file said when this process wrote it last, or read it. */
  #said: Meta
  readonly #identity: FileIdentity
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #check: StatementSync
  readonly #crcOf: StatementSync
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #note: StatementSync

  private constructor(db: DatabaseSync, place: MapPlace, said: Meta) {
    this.#db = db
    this.#place = place
    this.#said = said
    this.#identity = new FileIdentity(place.dir, pathOf(place))
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#check = db.prepare("SELECT value FROM meta WHERE name = 'check'")
    this.#crcOf = db.prepare('SELECT crc FROM entries WHERE key = ?')
    this.#put = db.prepare('INSERT OR REPLACE INTO entries (key, value, crc) VALUES (?, ?, ?)')
    this.#remove = db.prepare('DELETE FROM entries WHERE key = ?')
    this.#note = db.prepare(
      `UPDATE meta SET value = CASE name WHEN 'count' THEN ? WHEN 'sum' THEN ? WHEN 'fence' THEN ? ELSE ? END
       WHERE name IN ('count', 'sum', 'fence', 'check')`,
    )
  }

  /** Hands over the rows once the file is proven whole. Throws what `troubleOf` can tell. */
  static open(place: MapPlace, hand: (rows: Rows) => void): MapFile {
    const path = pathOf(place)
    const marker = join(place.dir, `${place.name}.exists`)
    if (isThere(marker) && !isThere(path)) throw lost(place, 'its database is gone')
    const db = new DatabaseSync(path)
    try {
      prepare(db, place)
      const isNew = isEmpty(db)
      if (isNew && isThere(marker)) throw lost(place, 'its database is empty')
      if (isNew) db.exec(TABLES)
      const { meta, rows } = isNew ? { meta: NEW, rows: NO_ROWS } : provenRows(db, why => lost(place, why))
      // What may only be read opens, too: the module would learn at its first write.
      db.exec('DELETE FROM entries WHERE 0')
      const file = new MapFile(db, place, { ...meta, fence: fenceOf(place, meta) })
      if (isNew || file.#said.fence !== meta.fence) file.#say(file.#said)
      db.exec('COMMIT')
      if (!isThere(marker)) mark(place.dir, marker)
      if (!isNew) keepGeneration(db, path)
      hand(rows)
      return file
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** All or none of them. When it throws, none is certain to be there, and all may be written again. */
  write({ keys, texts }: Changes): void {
    if (!this.#identity.isSame()) throw replaced(this.#place)
    this.#begin.run()
    try {
      let { count, sum, fence } = this.#meta()
      for (const [index, key] of keys.entries()) {
        const old = this.#crcOf.get(key)?.crc as number | undefined
        const text = texts[index] as string | null
        if (text === null && old === undefined) continue
        const crc = text === null ? 0 : crc32(`${key}\0${text}`)
        if (text === null) this.#remove.run(key)
        else this.#put.run(key, text, crc)
        count += (text === null ? 0 : 1) - (old === undefined ? 0 : 1)
        sum = (sum + crc - (old ?? 0)) >>> 0
      }
      const said = { count, sum, fence }
      this.#say(said)
      this.#commit.run()
      this.#said = said
    } catch (error) {
      this.#undo()
      throw error
    }
  }

  close(): void {
    this.#db.close()
  }

  /** All of it is read only when its check is another one: after a commit that failed, or by a fault. */
  #meta(): Meta {
    if (this.#check.get()?.value === checkOf(this.#said)) return this.#said
    const meta = readMeta(this.#db, why => lost(this.#place, why))
    if (meta.fence !== this.#said.fence) throw fenced(this.#place, meta.fence, this.#said.fence)
    return meta
  }

  #say(meta: Meta): void {
    this.#note.run(meta.count, meta.sum, meta.fence, checkOf(meta))
  }

  #undo(): void {
    try {
      this.#db.exec('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself: a full disk, an error of the disk.
    }
  }
}

const NO_ROWS: Rows = { keys: [], texts: [] }

/**
 * Takes the file for itself. Exclusive mode begins within a transaction: set before, one that waits would
 * keep a shared lock, and two would wait for each other. It is rolled back and not committed: a commit makes
 * a header in a file that was cut to less than one.
 */
function prepare(db: DatabaseSync, place: MapPlace): void {
  db.exec(`PRAGMA busy_timeout = ${place.waitMs}`)
  db.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON')
  db.exec('BEGIN EXCLUSIVE; PRAGMA locking_mode = EXCLUSIVE; ROLLBACK')
  db.exec('PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL')
  db.exec('BEGIN EXCLUSIVE')
}

function fenceOf(place: MapPlace, meta: Meta): number {
  if (place.fence === null) return meta.fence
  if (meta.fence > place.fence) throw fenced(place, meta.fence, place.fence)
  return place.fence
}

/** From now on a missing database is a lost one. */
function mark(dir: string, marker: string): void {
  const fd = openSync(marker, 'a', 0o600)
  fsyncSync(fd)
  closeSync(fd)
  const folder = openSync(dir, 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** For people, so a disk without room for it must not keep the module from its state. */
function keepGeneration(db: DatabaseSync, path: string): void {
  const draft = `${path}.bak.new`
  try {
    rmSync(draft, { force: true })
    db.prepare('VACUUM INTO ?').run(draft)
    renameSync(draft, `${path}.bak`)
  } catch {
    rmSync(draft, { force: true })
  }
}

function pathOf(place: MapPlace): string {
  return join(place.dir, `${place.name}.db`)
}

function replaced({ name, dir }: MapPlace): PersistentMapError {
  const why = 'its database was removed or replaced while it was open'
  return new PersistentMapError('unwritable', `PersistentMap ${name} in ${dir}: ${why}.`)
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function lost(place: MapPlace, why: string): PersistentMapError {
  const what = `PersistentMap ${place.name} in ${place.dir}`
  return new PersistentMapError('lost', `${what}: ${why}. It will not start empty: see ${place.name}.db.bak.`)
}

function fenced(place: MapPlace, theirs: number, ours: number): PersistentMapError {
  const what = `PersistentMap ${place.name} in ${place.dir}`
  return new PersistentMapError('fenced', `${what} belongs to a later run: fence ${theirs}, ours is ${ours}.`)
}
