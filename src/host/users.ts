/**
 * Accounts of this host, read from /etc/passwd: enough to run a module as somebody else. Accounts that only a
 * directory service knows are not seen.
 */
import { readFileSync } from 'node:fs'

export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/** What a login would set. */
export function userVariables(user: User): Record<string, string> {
  return { HOME: user.home, USER: user.name, LOGNAME: user.name, SHELL: user.shell }
}

/** By name, else by numeric id; null when there is none. Throws what reading said. */
export function findUser(nameOrId: string, passwd = '/etc/passwd'): User | null {
  const users = readFileSync(passwd, 'utf8')
    .split('\n')
    .flatMap(line => userOf(line) ?? [])
  return (
    users.find(user => user.name === nameOrId) ?? users.find(user => String(user.uid) === nameOrId) ?? null
  )
}

function userOf(line: string): User | null {
  const [name, , uid, gid, , home, shell] = line.split(':')
  if (!name || !/^\d+$/.test(uid ?? '') || !/^\d+$/.test(gid ?? '')) return null
  return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' }
}
