/**
 * How the fleet is, from the best source that answers: the daemon (it alone measures), the keeper, the disk.
 */
import type { StatusDocument } from '../core/view.ts'
import { askDaemon } from '../host/daemon-client.ts'
import type { FleetAnswer } from './ask-without-daemon.ts'
import type { CliContext } from './context.ts'

const DAEMON_MS = 500

export async function askFleet(context: CliContext): Promise<FleetAnswer> {
  const state = context.stateDir()
  const said = (await askDaemon(state.daemonSocket, '/api/v1/fleet', DAEMON_MS)) as StatusDocument | null
  const known = said !== null && Array.isArray(said.modules) ? said : null
  if (known !== null && known.keeper !== null) return { source: 'daemon', document: known, deserted: false }
  // Most often all are there: what the others need is not loaded beforehand.
  const { askWithoutDaemon } = await import('./ask-without-daemon.ts')
  return await askWithoutDaemon(state, known)
}
