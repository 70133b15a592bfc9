/** How a fleet is of which the daemon cannot tell: from the keeper, from what it knew, from the disk. */
import { setTimeout as delay } from 'node:timers/promises'
import { MarkError } from '../core/errors.ts'
import type { StatusDocument } from '../core/view.ts'
import { askKeeper } from '../host/line-socket.ts'
import { lockHolder } from '../host/lock-holder.ts'
import { alive } from '../host/proc.ts'
import type { StateDir } from '../host/state-dir.ts'

export interface FleetAnswer {
  readonly source: 'daemon' | 'keeper' | 'disk'
  readonly document: StatusDocument
  /** A session is open and nobody keeps it: `revive` is due. */
  readonly deserted: boolean
}

const KEEPER_MS = 1_000
/** From the start of this process: with a processor to be had, the answer is there in a quarter second. */
const ENOUGH_MS = 150
const RETRY_MS = 20

/** `past`: what the daemon says while its keeper is away; null: it does not answer. */
export async function askWithoutDaemon(state: StateDir, past: StatusDocument | null): Promise<FleetAnswer> {
  const answered = await fromKeeper(state, past)
  if (answered !== null) return answered
  const { diskStatus, isDeserted, readDisk } = await import('./disk.ts')
  const disk = readDisk(state)
  return { source: 'disk', document: diskStatus(state, disk), deserted: isDeserted(disk) }
}

/**
 * A successor that holds the lock and is not listening yet is waited for, within the second; less long where
 * the daemon knows which processes lived a moment ago, and they do.
 */
async function fromKeeper(state: StateDir, past: StatusDocument | null): Promise<FleetAnswer | null> {
  const deadline = performance.now() + KEEPER_MS
  const stillLive = past?.modules.every(({ pid }) => pid === null || alive({ pid, startTime: null })) === true
  for (;;) {
    try {
      const left = Math.max(deadline - performance.now(), 1)
      const document = (await askKeeper(state.keeperSocket, { ask: 'state' }, left)) as StatusDocument
      return { source: 'keeper', document, deserted: false }
    } catch (error) {
      const code = error instanceof MarkError ? error.code : null
      if (code === 'MARK_KEEPER_SILENT') return null
      if (code !== 'MARK_NOT_RUNNING') throw error
      const pid = lockHolder(state.keeperLock)
      if (performance.now() >= deadline || pid === null) return null
      if (stillLive && performance.now() >= ENOUGH_MS) {
        const keeper = { pid, version: 'unknown', started_at: '' }
        return { source: 'daemon', document: { ...past, keeper }, deserted: false }
      }
      await delay(RETRY_MS)
    }
  }
}
