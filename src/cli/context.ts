/**
 * What every command is given: the caller's environment, where the fleet lies, and how to talk. Data goes
 * to `out`, talk to `note` and `err`. Commands touch no stream, signal or process global themselves, so
 * tests can run them.
 */
import { MarkError } from '../core/errors.ts'
import type { StateDir } from '../host/state-dir.ts'
import { type Paint, painter, wantsColor } from './paint.ts'
import { findPlace, openStateDir, type Place } from './place.ts'

export interface GlobalOptions {
  readonly file: string | null
  readonly stateDir: string | null
  readonly json: boolean
  readonly quiet: boolean
  readonly noColor: boolean
}

/** The process border, made by main.ts alone. */
export interface Border {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly argv: readonly string[]
  readonly cwd: string
  readonly uid: number
  readonly gids: readonly number[]
  readonly user: string
  /** Absolute path of the Node that runs this. */
  readonly node: string
  readonly version: string
  readonly isTty: boolean
  readonly errIsTty: boolean
  columns(): number
  rows(): number
  /** Writes as given, without a newline. */
  write(text: string | Uint8Array): void
  writeErr(text: string): void
  /** Returns how to stop listening. */
  onSignal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', handler: () => void): () => void
}

export interface CliContext extends Omit<Border, 'columns'> {
  readonly options: GlobalOptions
  readonly color: boolean
  readonly columns: number
  /** Colours for `out`, and for what goes to stderr. */
  readonly paint: Paint
  readonly paintErr: Paint
  /** One line of data on stdout. */
  out(line: string): void
  /** One line on stderr: errors and warnings. */
  err(line: string): void
  /** One line of talk on stderr; nothing with --quiet. */
  note(line: string): void
  json(value: unknown): void
  place(): Place
  /**
   * Paths of this fleet's state directory, which need not exist. Throws MARK_NOT_RUNNING where there is no
   * fleet.
   */
  stateDir(): StateDir
  /** Who asks, as the journal keeps it. */
  readonly by: string
}

export function createContext(border: Border, options: GlobalOptions): CliContext {
  const wants = (isTty: boolean): boolean => wantsColor(border.env, { isTty, noColor: options.noColor })
  const err = (line: string): void => border.writeErr(`${line}\n`)
  const place = (): Place =>
    findPlace({ cwd: border.cwd, env: border.env, file: options.file, stateDir: options.stateDir })
  return {
    ...border,
    columns: border.columns(),
    options,
    color: wants(border.isTty),
    paint: painter(wants(border.isTty)),
    paintErr: painter(wants(border.errIsTty)),
    out: line => border.write(`${line}\n`),
    err,
    note: line => {
      if (!options.quiet) err(line)
    },
    json: value => border.write(`${JSON.stringify(value, null, 2)}\n`),
    place,
    stateDir: () => {
      const { stateDir } = place()
      if (stateDir === null) throw noFleet(border.cwd)
      return openStateDir(stateDir, border)
    },
    by: border.env.SUDO_USER ? `${border.env.SUDO_USER} (sudo)` : border.user,
  }
}

function noFleet(cwd: string): MarkError {
  return new MarkError(
    'MARK_NOT_RUNNING',
    `There is no fleet here: neither ${cwd} nor a directory above it has a mark.yaml.`,
    'go to the directory of your mark.yaml, name one with --file, or write one with `mark init`.',
  )
}
