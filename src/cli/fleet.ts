/**
 * The keeper of the fleet here, for verbs that change something; started again when a session is open but
 * nobody keeps it.
 */
import { MarkError } from '../core/errors.ts'
import type { KeeperClient } from '../host/line-socket.ts'
import type { CliContext } from './context.ts'
import { isDeserted, readDisk } from './disk.ts'
import { ensureKeeper, findKeeper, type Starter } from './keeper-start.ts'

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
