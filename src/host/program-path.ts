/**
 * Which file a command names, and why one could not be started, in a sentence. Looks at files only.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'

export interface Program {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export interface Refusal {
  readonly ok: false
  readonly why: string
  /** It may go by itself: tried again, never counted. */
  readonly transient: boolean
}

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'
/** EWOULDBLOCK is another name for EAGAIN, by which a fork is refused. */
const TRANSIENT: ReadonlySet<string> = new Set([
  ...['EAGAIN', 'EWOULDBLOCK', 'ENOMEM', 'EMFILE', 'ENFILE', 'ETXTBSY', 'ENOSPC'],
])

/** The executable file that argv[0] means, found on the program's own PATH; null when there is none. */
export function findProgram({ argv, cwd, env }: Program): string | null {
  return places(argv[0] ?? '', cwd, env).find(isProgram) ?? null
}

/** Why nothing could be started; `errno` is null where only the files can tell. */
export function whyNotStarted(program: Program, errno: string | null): Refusal {
  const file = program.argv[0]
  if (file === undefined) return refusal('there is no command')
  if (!isDirectory(program.cwd)) return refusal(`its working directory ${program.cwd} is missing`)
  const candidates = places(file, program.cwd, program.env)
  const path = candidates.find(isProgram)
  const there = path ?? candidates.find(place => statSync(place, { throwIfNoEntry: false }) !== undefined)
  if (there === undefined) return refusal(`${file} was not found`)
  if (path === undefined || errno === 'EACCES') return refusal(`${there} may not be executed`)
  if (errno === null || TRANSIENT.has(errno)) return shortage(path, errno)
  if (errno === 'ENOENT') return refusal(`${path} names an interpreter in its first line that is missing`)
  if (errno === 'ENOEXEC')
    return refusal(`${path} is no program: neither a binary of this machine nor a script that begins with #!`)
  if (errno === 'E2BIG') return refusal(`the arguments and the environment of ${file} are too large`)
  return refusal(`${path} could not be started (${errno})`)
}

function shortage(path: string, errno: string | null): Refusal {
  const why =
    errno === 'ETXTBSY'
      ? `${path} is being written to`
      : `${path} could not be started: the host is short of processes, memory or descriptors`
  return { ok: false, why: errno === null ? why : `${why} (${errno})`, transient: true }
}

function refusal(why: string): Refusal {
  return { ok: false, why, transient: false }
}

function places(file: string, cwd: string, env: Readonly<Record<string, string>>): string[] {
  if (file === '') return []
  if (isAbsolute(file)) return [file]
  if (file.includes('/')) return [resolve(cwd, file)]
  return (env.PATH ?? DEFAULT_PATH)
    .split(':')
    .filter(dir => dir !== '')
    .map(dir => join(resolve(cwd, dir), file))
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function isProgram(path: string): boolean {
  try {
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
