/**
 * Accounts of this host, read from /etc/passwd: enough to run a module as somebody else.
 */
import { readFileSync } from 'node:fs'

export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/** By name or numeric id; null when there is none. */
export function findUser(nameOrId: string): User | null {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid, , home, shell] = line.split(':')
    if (name === undefined || uid === undefined || (name !== nameOrId && uid !== nameOrId)) continue
    return { name, uid: Number(uid), gid: Number(gid), home: home ?? '/', shell: shell || '/bin/sh' }
  }
  return null
}
