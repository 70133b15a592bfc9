/** What an error of SQLite or of the file system means for a PersistentMap: lost, busy or unwritable. */
import { PersistentMapError } from './map-error.ts'
import type { MapPlace } from './map-protocol.ts'

const BUSY = [5, 6]
/** PERM, READONLY, IOERR, FULL, CANTOPEN, AUTH: the disk or its permissions. */
const DISK = [3, 8, 10, 13, 14, 23]
const IOERR_SHORT_READ = 522

/** While it is `opening`, whatever is not the disk's or another process's doing means: not proven whole. */
export function troubleOf(error: unknown, opening: boolean, place: MapPlace): PersistentMapError {
  if (error instanceof PersistentMapError) return error
  const { errcode, code, message } = error as Error & { errcode?: number; code?: string }
  const what = `PersistentMap ${place.name} in ${place.dir}`
  const sqlite = errcode === undefined ? null : errcode & 255
  if (sqlite !== null && BUSY.includes(sqlite)) {
    return new PersistentMapError('busy', `${what} is open in another process (${message}).`)
  }
  const isDisk = sqlite === null ? isFileError(code) : DISK.includes(sqlite) && errcode !== IOERR_SHORT_READ
  if (isDisk) return new PersistentMapError('unwritable', `${what} cannot be read or written: ${message}.`)
  const lost = opening || sqlite === 11 || sqlite === 26 || errcode === IOERR_SHORT_READ
  return lost
    ? new PersistentMapError('lost', `${what} is not whole: ${message}. \`${place.name}.db.bak\` is older.`)
    : new PersistentMapError('unwritable', `${what} cannot be written: ${message}.`)
}

function isFileError(code: string | undefined): boolean {
  return code !== undefined && /^E[A-Z]+$/.test(code)
}
