/**
 * May what stands in this file be trusted? Not when somebody else could have put it there: whoever may write
 * a config or one of its directories decides what MARK runs. Reads only; follows the path that is really
 * used.
 */
import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from './shortage.ts'

const GROUP_OR_OTHERS_WRITE = 0o022
const OTHERS_WRITE = 0o002
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
  const shared = stat.mode & (isPrivateGroup(stat.gid, uid) ? OTHERS_WRITE : GROUP_OR_OTHERS_WRITE)
  // In a sticky directory such as /tmp nobody can replace what belongs to another.
  if (!shared || (stat.isDirectory() && stat.mode & STICKY)) return null
  const who = shared & 0o002 ? 'everybody' : `group ${stat.gid}`
  return `${place} can be written by ${who}, who could change what MARK runs.`
}

/**
 * Many systems give each user a group of their own and a umask of 002: a group that nobody else is in shares
 * nothing. Told by /etc/passwd and /etc/group; what they do not tell counts as shared.
 */
function isPrivateGroup(gid: number, uid: number): boolean {
  const names = fieldsOf('/etc/passwd').filter(
    ([, , user, group]) => Number(user) === uid || Number(group) === gid,
  )
  const members = fieldsOf('/etc/group').find(([, , id]) => Number(id) === gid)?.[3]
  const own = names[0]?.[0]
  const alone = names.every(([, , user, group]) => Number(user) === uid && Number(group) === gid)
  return own !== undefined && alone && members !== undefined && (members === '' || members === own)
}

function fieldsOf(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.split(':'))
  } catch {
    return []
  }
}
