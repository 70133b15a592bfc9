/** Processes that MARK is made of: how each is started, in a checkout (.ts) as where it was built. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { StateDir } from './state-dir.ts'

export const DAEMON_PROGRAM = 'daemon/main'

/** `name`: a file below src or dist, without its extension. */
export function ownProgram(name: string): [string, string] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return [process.execPath, fileURLToPath(new URL(`../${name}.${extension}`, import.meta.url))]
}

/** The keeper, once it has the lock. */
export function successorArgv({ keeperLock, dir }: StateDir): [string, ...string[]] {
  return ['flock', '-F', keeperLock, ...ownProgram('keeper/main'), '--state-dir', dir]
}

export function daemonArgv({ dir }: StateDir): string[] {
  return [...ownProgram(DAEMON_PROGRAM), '--state-dir', dir]
}

export function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Without what is not set, as `spawn` wants it. */
export function definedIn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
