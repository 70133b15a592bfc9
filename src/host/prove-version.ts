/**
 * `--probe`: a version of MARK proves, beside the keeper that it is to follow, that it runs on this host and
 * can read this state. Says `ok <version>`, or why not. Changes nothing and takes no lock.
 */
import { existsSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { loadLibc } from './libc.ts'
import { DAEMON_PROGRAM, ownProgram, ownVersion } from './own-program.ts'
import { whyNotReplaced } from './replace-process.ts'
import { checkState } from './state-check.ts'
import { stateDirAt } from './state-dir.ts'

/** Its exit status. */
export function prove(dir: string): number {
  const version = ownVersion()
  const [, daemonMain] = ownProgram(DAEMON_PROGRAM)
  try {
    const unable = whyNotReplaced(loadLibc())
    if (unable !== null) throw new MarkError('MARK_UNSUPPORTED', `Version ${version}: ${unable}.`)
    if (!existsSync(daemonMain)) throw new MarkError('MARK_REFUSED', `There is no ${daemonMain}.`)
    checkState(stateDirAt(dir, readlinkSync(join(dir, 'run'))))
    process.stdout.write(`ok ${version}\n`)
    return 0
  } catch (error) {
    const { code, message, hint, exitStatus } =
      error instanceof MarkError ? error : new MarkError('MARK_STATE_UNREADABLE', (error as Error).message)
    process.stderr.write(`error[${code}]: ${message}${hint === null ? '' : ` hint: ${hint}`}\n`)
    return exitStatus
  }
}
