/**
 * What this process is to the container it runs in. The end of process 1 ends every process of its container,
 * so whoever is it, or is kept by a bare init, must not end before the fleet does. Reads only.
 */
import { readFileSync } from 'node:fs'

export interface ContainerRole {
  /** Process 1: orphans of everybody come to it, and nobody else reaps them. */
  readonly isInit: boolean
  /** false: only its environment says so, which every other command in there has too. */
  readonly certain: boolean
}

/** Inits that end with the one program they were given. */
const SMALL_INITS: ReadonlySet<string> = new Set([
  'docker-init',
  'tini',
  'catatonit',
  'dumb-init',
  'krun-init',
])

export interface RoleGiven {
  readonly pid: number
  readonly ppid: number
  /** MARK_STOP_TIMEOUT was set: whoever did so says that this command is what a container lives by. */
  readonly named: boolean
}

/** null: an ordinary command of a host, which may end without the fleet. */
export function containerRole(given: RoleGiven, initName = nameOfInit): ContainerRole | null {
  if (given.pid === 1) return { isInit: true, certain: true }
  const kept = given.ppid === 1 && SMALL_INITS.has(initName() ?? '')
  return kept || given.named ? { isInit: false, certain: kept } : null
}

/** Name of process 1; null where /proc does not show it. */
export function nameOfInit(): string | null {
  try {
    return readFileSync('/proc/1/comm', 'utf8').trim()
  } catch {
    return null
  }
}
