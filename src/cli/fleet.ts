/**
 * How the fleet is, from the best source that answers: the daemon (it alone measures), the keeper, the
 * disk. And the keeper started again when a session is open but nobody keeps it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { MarkError } from '../core/errors.ts'
import type { StatusDocument } from '../core/view.ts'
import { askDaemon } from '../host/daemon-client.ts'
import { askKeeper, type KeeperClient } from '../host/line-socket.ts'
import { lockHolder } from '../host/lock-holder.ts'
import type { StateDir } from '../host/state-dir.ts'
import type { CliContext } from './context.ts'
import { type Disk, diskStatus, readDisk } from './disk.ts'
import { ensureKeeper, findKeeper, type Starter } from './keeper-start.ts'

export interface FleetAnswer {
  readonly source: 'daemon' | 'keeper' | 'disk'
  readonly document: StatusDocument
  /** A session is open and nobody keeps it: `revive` is due. */
  readonly deserted: boolean
}

const DAEMON_MS = 500
const KEEPER_MS = 1_000
const RETRY_MS = 20

export async function askFleet(context: CliContext): Promise<FleetAnswer> {
  const state = context.stateDir()
  const answered = (await fromDaemon(state)) ?? (await fromKeeper(state))
  if (answered !== null) return answered
  const disk = readDisk(state)
  return { source: 'disk', document: diskStatus(state, disk), deserted: isDeserted(disk) }
}

async function fromDaemon(state: StateDir): Promise<FleetAnswer | null> {
  const document = (await askDaemon(state.daemonSocket, '/api/v1/fleet', DAEMON_MS)) as StatusDocument | null
  // Without a keeper the daemon only knows the past; the disk knows which processes live.
  if (document === null || !Array.isArray(document.modules) || document.keeper === null) return null
  return { source: 'daemon', document, deserted: false }
}

/** A successor that holds the lock and is not listening yet is waited for, within the second. */
async function fromKeeper(state: StateDir): Promise<FleetAnswer | null> {
  const deadline = performance.now() + KEEPER_MS
  for (;;) {
    try {
      const left = Math.max(deadline - performance.now(), 1)
      const document = (await askKeeper(state.keeperSocket, { ask: 'state' }, left)) as StatusDocument
      return { source: 'keeper', document, deserted: false }
    } catch (error) {
      const code = error instanceof MarkError ? error.code : null
      if (code === 'MARK_KEEPER_SILENT') return null
      if (code !== 'MARK_NOT_RUNNING') throw error
      if (performance.now() >= deadline || lockHolder(state.keeperLock) === null) return null
      await delay(RETRY_MS)
    }
  }
}

/** A session is open, or runs live, and no keeper holds the lock. */
export function isDeserted(disk: Disk): boolean {
  return disk.keeperPid === null && (disk.children?.open === true || disk.live.length > 0)
}

/** Starts a keeper for a session that lost it, and says so. It adopts what runs and stops nothing. */
export async function revive(context: CliContext, starter: Starter = 'systemd'): Promise<KeeperClient> {
  const keeper = await ensureKeeper(context, starter)
  context.note('note: no MARK process was keeping this fleet; one does again.')
  return keeper
}

/**
 * The keeper of a fleet that runs, revived if its session lost it. Throws MARK_NOT_RUNNING where nothing
 * was started.
 */
export async function requireKeeper(context: CliContext): Promise<KeeperClient> {
  const keeper = await findKeeper(context)
  if (keeper !== null) return keeper
  if (isDeserted(readDisk(context.stateDir()))) return await revive(context)
  throw new MarkError('MARK_NOT_RUNNING', 'This fleet is not up.', 'start it with `mark up`.')
}
