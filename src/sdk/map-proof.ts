/**
 * Whether the database of a PersistentMap is whole: its shape, SQLite's own check, the crc of each row, and
 * their count and sum. Promises: what is returned is what was written. Reads only; call it under the lock.
 */
import type { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'

export interface Meta {
  readonly count: number
  readonly sum: number
  readonly fence: number
}

export interface Rows {
  readonly keys: readonly string[]
  readonly texts: readonly string[]
}

type Complain = (why: string) => Error

const SHAPES: Readonly<Record<string, string>> = {
  meta: 'name:TEXT:1 value:INTEGER:0',
  entries: 'key:TEXT:1 value:TEXT:0 crc:INTEGER:0',
}
const META_NAMES = 'check,count,fence,format,sum'

export function isEmpty(db: DatabaseSync): boolean {
  return db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n === 0
}

export function provenRows(db: DatabaseSync, complain: Complain): { meta: Meta; rows: Rows } {
  proveShape(db, complain)
  const verdict = db.prepare('PRAGMA integrity_check(1)').get()?.integrity_check
  if (verdict !== 'ok') throw complain(`SQLite finds it damaged: ${String(verdict)}`)
  const meta = readMeta(db, complain)
  const keys: string[] = []
  const texts: string[] = []
  let sum = 0
  for (const { key, value, crc } of db.prepare('SELECT key, value, crc FROM entries').iterate()) {
    if (typeof key !== 'string' || typeof value !== 'string' || crc32(`${key}\0${value}`) !== crc) {
      throw complain(`the entry ${JSON.stringify(key)} is damaged`)
    }
    keys.push(key)
    texts.push(value)
    sum = (sum + crc) >>> 0
  }
  if (keys.length !== meta.count)
    throw complain(`it has ${keys.length} entries and should have ${meta.count}`)
  if (sum !== meta.sum) throw complain('its entries are not all of one generation')
  return { meta, rows: { keys, texts } }
}

export function readMeta(db: DatabaseSync, complain: Complain): Meta {
  const found = db.prepare('SELECT name, value FROM meta ORDER BY name').all()
  if (found.map(row => row.name).join() !== META_NAMES) throw complain('its meta table is damaged')
  const [check, count, fence, format, sum] = found.map(row => row.value as number)
  if (format !== 1) throw complain(`its format is ${format}, this version knows 1`)
  const meta = { count, sum, fence } as Meta
  if (checkOf(meta) !== check) throw complain('its check does not match')
  return meta
}

export function checkOf({ count, sum, fence }: Meta): number {
  return crc32(`1,${count},${sum},${fence}`)
}

/** A flipped bit in a column's type would compare keys otherwise and go unnoticed. */
function proveShape(db: DatabaseSync, complain: Complain): void {
  const names = db.prepare('SELECT name FROM sqlite_schema ORDER BY name').all()
  if (names.map(row => row.name).join() !== 'entries,meta') throw complain('its tables are not a map')
  if (db.prepare('PRAGMA encoding').get()?.encoding !== 'UTF-8') throw complain('its text is not UTF-8')
  for (const [table, shape] of Object.entries(SHAPES)) {
    const columns = db.prepare(`PRAGMA table_info(${table})`).all()
    const found = columns.map(({ name, type, pk }) => `${name}:${type}:${pk}`).join(' ')
    if (found !== shape) throw complain(`its table ${table} is damaged`)
  }
}
