/**
 * Ends every process of one fleet, found by its state directory and proven by its start time, never by a
 * name. Synchronous, so that a dying test can still do it.
 */
import { readlinkSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isSame, Observer } from './observer.ts'
import { statOf } from './proc.ts'

const ROUNDS = 200
const PAUSE_MS = 20
/** What would start others goes first. */
const ORDER = ['waiting', 'keeper', 'daemon']

/** Returns how many it ended. */
export function endFleet(stateDir: string): number {
  const observer = new Observer(stateDir, [])
  let ended = 0
  let quiet = 0
  for (let round = 0; round < ROUNDS && quiet < 3; round++) {
    const found = observer.everything()
    quiet = found.length === 0 ? quiet + 1 : 0
    const rank = (role: string): number => ORDER.indexOf(role) >>> 0
    for (const seen of found.sort((a, b) => rank(a.role) - rank(b.role))) {
      if (!isSame(statOf(seen.pid), seen)) continue
      process.kill(seen.pid, 'SIGKILL')
      ended++
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
  }
  return ended
}

/** Sockets of a keeper that was killed; only after `endFleet`. */
export function removeSockets(stateDir: string): void {
  try {
    const sockets = readlinkSync(join(stateDir, 'run'))
    if (basename(dirname(sockets)).startsWith('mark')) rmSync(sockets, { recursive: true, force: true })
  } catch {
    // A keeper that left in good order took them along.
  }
}
