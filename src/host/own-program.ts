/**
 * What MARK's own processes are started with: the Node that runs this one, and the main files beside it, from
 * source or built. Reads no environment itself.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { StateDir } from './state-dir.ts'

export function successorArgv(state: StateDir): [string, ...string[]] {
  const lock = ['-F', state.keeperLock]
  return ['flock', ...lock, process.execPath, mainOf('keeper'), '--state-dir', state.dir]
}

export function daemonArgv(state: StateDir): string[] {
  return [process.execPath, daemonMain(), '--state-dir', state.dir]
}

export function daemonMain(): string {
  return mainOf('daemon')
}

export function ownEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(env)
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

export function version(): string {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url))
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function mainOf(part: 'keeper' | 'daemon'): string {
  const source = fileURLToPath(new URL(`../${part}/main.ts`, import.meta.url))
  return existsSync(source) ? source : source.replace(/\.ts$/, '.js')
}
