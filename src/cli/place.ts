/**
 * Finds the fleet that a command means: its mark.yaml and its state directory (SPEC 2). Reads only; makes
 * nothing.
 */
import { accessSync, constants, existsSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type StateDir, socketDirFor, stateDirAt } from '../host/state-dir.ts'

export interface Place {
  /** mark.yaml as named or found; it need not exist when it was named. Null: none here or above. */
  readonly configFile: string | null
  /** Null: neither named nor found, nor would `up` know where to make it. */
  readonly stateDir: string | null
}

export interface PlaceGiven {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: string | null
  readonly stateDir: string | null
}

/**
 * `--state-dir`, then MARK_STATE_DIR of the caller, then `.mark` beside the nearest mark.yaml (or a lone
 * `.mark`).
 */
export function findPlace(given: PlaceGiven): Place {
  const configFile =
    given.file === null ? upwards(given.cwd, 'mark.yaml') : configAt(resolve(given.cwd, given.file))
  // In a module's own environment MARK_STATE_DIR is that module's state, not the fleet's.
  const inherited = given.env.MARK_MODULE === undefined ? given.env.MARK_STATE_DIR : undefined
  const named = given.stateDir ?? (inherited || null)
  if (named !== null) return { configFile, stateDir: real(resolve(given.cwd, named)) }
  if (configFile !== null) return { configFile, stateDir: real(join(dirname(configFile), '.mark')) }
  const alone = upwards(given.cwd, '.mark')
  return { configFile, stateDir: alone === null ? null : real(alone) }
}

/**
 * Paths of a state directory; the sockets are where its link `run` says, or where a new keeper will put
 * them.
 */
export function openStateDir(dir: string, given: { env: PlaceGiven['env']; uid: number }): StateDir {
  try {
    return stateDirAt(dir, resolve(dir, readlinkSync(join(dir, 'run'))))
  } catch {
    const env = { xdgRuntimeDir: given.env.XDG_RUNTIME_DIR, uid: given.uid }
    return stateDirAt(dir, socketDirFor(dir, env, canWrite))
  }
}

function configAt(path: string): string {
  try {
    return statSync(path).isDirectory() ? join(path, 'mark.yaml') : path
  } catch {
    return path
  }
}

function upwards(from: string, name: string): string | null {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    const path = join(dir, name)
    if (existsSync(path)) return path
    if (dirname(dir) === dir) return null
  }
}

function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return dirname(path) === path
      ? path
      : join(real(dirname(path)), path.slice(dirname(path).length).replace(/^\//, ''))
  }
}

function canWrite(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}
