/**
 * Who of the modules that run in the scope of a kill of level pause can hear it. Only the daemon knows; one
 * that is away is said, and nobody then counts as told.
 */
import type { ModuleRecord } from '../contract/api.ts'
import { askDaemon } from '../host/daemon-client.ts'

export interface Hearing {
  readonly told: readonly string[]
  readonly deaf: readonly string[]
}

const DAEMON_MS = 1_000

export async function hearingOf(socket: string, modules: readonly string[]): Promise<Hearing> {
  const hears = await Promise.all(
    modules.map(async name => {
      const record = (await askDaemon(socket, `/api/v1/modules/${name}`, DAEMON_MS)) as ModuleRecord | null
      return record?.hears === true
    }),
  )
  return {
    told: modules.filter((_name, index) => hears[index]),
    deaf: modules.filter((_name, index) => !hears[index]),
  }
}

/** The second line of a kill of level pause. */
export function toldLine({ told, deaf }: Hearing): string {
  if (told.length === 0 && deaf.length === 0) return 'nothing runs in scope (halt files written).'
  const parts = [told.length > 0 && `told to pause: ${told.join(', ')}`, deaf.length > 0 && deafText(deaf)]
  return `${parts.filter(part => part !== false).join('; ')} (halt files written).`
}

/** How the third line begins. */
export function pauseNote({ deaf }: Hearing): string {
  return deaf.length === 0 ? 'paused' : `KILL INCOMPLETE: ${deafText(deaf)}`
}

function deafText(deaf: readonly string[]): string {
  return `could not be told: ${deaf.join(', ')}`
}
