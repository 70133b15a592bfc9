/** Where a PersistentMap lives: the directory that is given or the module's own, never a guessed one. */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { PersistentMapError } from './map-error.ts'
import type { MapPlace } from './map-protocol.ts'

export interface MapOptions {
  /** Default: MARK_STATE_DIR. Its last level is made where it is missing. */
  readonly dir?: string
  /** How long a change may wait to be written, in milliseconds. Default 200. */
  readonly interval?: number
  /** Of the run's lock. Default: MARK_FENCE. */
  readonly fence?: number
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/
const WAIT_MS = 5000

/** @throws PersistentMapError `place` where there is none. */
export function placeOf(name: string, options: MapOptions, env: NodeJS.ProcessEnv): MapPlace {
  if (!NAME.test(name)) throw wrong(`the name ${JSON.stringify(name)} is not like ${NAME.source}`)
  const dir = options.dir ?? env.MARK_STATE_DIR
  if (!dir) throw wrong('there is no MARK_STATE_DIR outside MARK: give `dir`, for instance "./.state"')
  if (options.dir) make(options.dir)
  return { dir: resolve(dir), name, fence: fenceOf(options, env), waitMs: WAIT_MS }
}

function fenceOf(options: MapOptions, env: NodeJS.ProcessEnv): number | null {
  if (options.fence === undefined && !env.MARK_FENCE) return null
  const fence = options.fence ?? Number(env.MARK_FENCE)
  if (!Number.isSafeInteger(fence) || fence < 0) throw wrong('the fence is no whole number')
  return fence
}

/** One level only: where the level above is missing, a disk may be, and the map is not new but elsewhere. */
function make(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST') throw new PersistentMapError('unwritable', `PersistentMap: ${message}.`)
  }
}

function wrong(why: string): PersistentMapError {
  return new PersistentMapError('place', `PersistentMap: ${why}.`)
}
