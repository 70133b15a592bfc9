/**
 * What resolving one module needs to know of the fleet: the tree with its places, the environment, and where
 * problems go.
 */
import { dirname, resolve } from 'node:path'
import type { EnvFile, Words } from './environment.ts'
import type { ConfigFiles } from './files.ts'
import type { Variables } from './interpolate.ts'
import { formatPath, keyPlaceAt, type MapNode, type Path, placeAt } from './located.ts'
import type { Place, Report } from './problem.ts'

export interface Scope {
  readonly tree: MapNode
  readonly files: ConfigFiles
  readonly report: Report
  /** The caller's environment. */
  readonly env: Variables
  readonly uid: number
  /** Unix milliseconds. */
  readonly nowMs: number
  readonly baseEnvironment: Readonly<Record<string, string>>
  readonly fleetEnvFiles: readonly EnvFile[]
  readonly words: Words
  /** Declared under `secrets:`. */
  readonly secretNames: readonly string[]
  readonly moduleNames: readonly string[]
  /** Modules that MARK adds itself. */
  readonly builtIn: readonly string[]
  readonly isTask: (module: string) => boolean
}

export function problemAt(scope: Scope, path: Path, message: string, hint: string | null = null): void {
  scope.report.error({ at: placeAt(scope.tree, path), path: formatPath(path), message, hint })
}

export function problemAtKey(scope: Scope, path: Path, message: string, hint: string | null = null): void {
  scope.report.error({ at: keyPlaceAt(scope.tree, path), path: formatPath(path), message, hint })
}

/** Directory of the file that says what stands at `path`. */
export function directoryOf(scope: Scope, path: Path): string {
  return dirname(placeAt(scope.tree, path).file)
}

/** SPEC 3: every path is relative to the file that names it. */
export function resolvePath(scope: Scope, path: Path, value: string): string {
  return resolve(directoryOf(scope, path), value)
}

export function placeOf(scope: Scope, path: Path): Place {
  return placeAt(scope.tree, path)
}

export function checkPattern(scope: Scope, path: Path, pattern: string): void {
  try {
    new RegExp(pattern)
  } catch (error) {
    problemAt(scope, path, `this is not a regular expression: ${(error as Error).message}`)
  }
}
