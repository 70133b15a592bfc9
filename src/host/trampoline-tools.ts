/**
 * Where the programs of the exec trampoline are: in the system's own directories, never on anybody's PATH,
 * and only such as root alone may change, because they run before a module's user is taken.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import type { TrampolineTools } from '../core/trampoline.ts'

const PLACES = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin']
const OTHERS_MAY_WRITE = 0o022

export function trampolineTools(places: readonly string[] = PLACES, owner = 0): TrampolineTools {
  const find = (name: string): string | null =>
    places.map(place => join(place, name)).find(path => isSafeProgram(path, owner)) ?? null
  return {
    sh: find('sh') ?? '/bin/sh',
    bash: find('bash'),
    prlimit: find('prlimit'),
    setpriv: find('setpriv'),
  }
}

function isSafeProgram(path: string, owner: number): boolean {
  try {
    accessSync(path, constants.X_OK)
    const { uid, mode } = statSync(path)
    return uid === owner && (mode & OTHERS_MAY_WRITE) === 0
  } catch {
    return false
  }
}
