/**
 * `mark` alone: the status of the fleet here, or how to begin where there is none.
 */
import type { CliContext } from '../context.ts'
import { status } from './status.ts'

export async function statusOrBegin(context: CliContext): Promise<number> {
  const place = context.place()
  if (place.stateDir !== null) return await status(context)
  for (const line of BEGIN) context.out(line)
  return 0
}

const BEGIN = [
  'MARK keeps a fleet of long-running programs running. There is no mark.yaml here or above.',
  '',
  '  mark init                          write one from what is in this directory',
  '  mark init -- python3 -m my.bot     write one for this command',
  '  mark check                         prove it',
  '  mark up                            start the fleet and follow its logs',
  '',
  '`mark --help` lists every verb.',
]
