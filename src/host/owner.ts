/**
 * May what stands in this file be trusted? Not when somebody else could have put it there: whoever may write
 * a config or one of its directories decides what MARK runs. Reads only; follows the path that is really
 * used.
 */
import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from './shortage.ts'

const GROUP_OR_OTHERS_WRITE = 0o022
const STICKY = 0o1000

/** null: safe. Else one sentence that names the offending path. `uid`: who is going to act on the file. */
export function checkSafe(path: string, options: { readonly uid: number }): string | null {
  let place: string
  try {
    place = realpathSync(path)
  } catch (error) {
    return `${path} cannot be looked at (${errnoOf(error) ?? 'unknown'}).`
  }
  for (;;) {
    const fault = faultOf(place, statSync(place), options.uid)
    if (fault) return fault
    const parent = dirname(place)
    if (parent === place) return null
    place = parent
  }
}

function faultOf(place: string, stat: Stats, uid: number): string | null {
  if (stat.uid !== uid && stat.uid !== 0) {
    return `${place} belongs to user ${stat.uid}, who could change what MARK runs as user ${uid}.`
  }
  const shared = stat.mode & GROUP_OR_OTHERS_WRITE
  // In a sticky directory such as /tmp nobody can replace what belongs to another.
  if (!shared || (stat.isDirectory() && stat.mode & STICKY)) return null
  const who = shared & 0o002 ? 'everybody' : `group ${stat.gid}`
  return `${place} can be written by ${who}, who could change what MARK runs.`
}
