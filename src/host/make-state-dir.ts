/**
 * Makes a state directory, as SPEC 2 lays it out, so that a keeper can be started on it. Idempotent; never
 * loosens the mode of what is there and never follows a link in place of an entry.
 */
import { existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { errnoOf } from './shortage.ts'
import type { StateDir } from './state-dir.ts'

/** Throws MARK_DENIED or MARK_STATE_UNREADABLE with the path that stands in the way. */
export function makeStateDir(state: StateDir): void {
  const isNew = makeDir(state.dir, 0o711)
  // Modules with `user:` pass through; what they need belongs to them below.
  for (const dir of [state.state, state.haltDir, state.pids]) makeDir(dir, 0o711)
  for (const dir of [state.runs, state.latchDir]) makeDir(dir, 0o700)
  makeDir(state.logs, 0o750)
  // Nothing of it belongs into anybody's repository.
  const ignore = join(state.dir, '.gitignore')
  if (isNew && !existsSync(ignore)) writeFileSync(ignore, '*\n', { mode: 0o644 })
}

function makeDir(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode, recursive: false })
    return true
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'EEXIST' && lstatSync(path).isDirectory()) return false
    const denied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
    const hint = denied
      ? 'use the account that owns the directory.'
      : 'move what is in the way, or name another place with --state-dir.'
    throw new MarkError(
      denied ? 'MARK_DENIED' : 'MARK_STATE_UNREADABLE',
      `Cannot make the directory ${path}: ${code}.`,
      hint,
      error,
    )
  }
}
