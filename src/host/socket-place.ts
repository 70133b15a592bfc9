/**
 * Where a keeper's sockets can really lie: the first place that can be made, is this account's own and that
 * nobody else can write to. In a container with a read-only root that may be the state directory alone.
 */
import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { MarkError } from '../core/errors.ts'

const OTHERS_WRITE = 0o022

/** Makes the first of `wanted` that serves, else one in the state directory. Throws MARK_DENIED. */
export function makeSocketDir(stateDir: string, wanted: readonly (string | null)[], uid: number): string {
  const last = join(stateDir, 'sockets', 's')
  for (const place of [...wanted, last]) if (place !== null && serves(place, uid)) return place
  throw new MarkError(
    'MARK_DENIED',
    `No directory for sockets can be made: neither ${wanted.filter(Boolean).join(', ')} nor ${last}.`,
    'give MARK a writable /run, /tmp or XDG_RUNTIME_DIR.',
  )
}

function serves(place: string, uid: number): boolean {
  try {
    for (const dir of [dirname(place), place]) {
      mkdirSync(dir, { recursive: true, mode: 0o711 })
      const stat = lstatSync(dir)
      if (!stat.isDirectory() || stat.uid !== uid || stat.mode & OTHERS_WRITE) return false
    }
    accessSync(place, constants.W_OK)
    return true
  } catch {
    return false
  }
}
