/**
 * Proof that another version of MARK may take over here, before anything is given up for it: its files are
 * nobody else's to write, it starts on this host, loads all it needs, and reads this state. Changes nothing.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { CATALOGUE, type ErrorBody, type ErrorCode } from '../core/errors.ts'
import type { UpgradeOrder } from '../core/world.ts'
import { startCommand } from './launch.ts'
import { checkSafe } from './owner.ts'
import { errnoOf } from './shortage.ts'

export type NewVersion = Pick<UpgradeOrder, 'node' | 'main' | 'version'>

const PROBE_MS = 10_000

/** null: its files may be run as `uid`. Else one sentence. */
export function distrust({ node, main }: NewVersion, uid: number): string | null {
  return fault(node, uid, constants.X_OK) ?? fault(main, uid, constants.R_OK)
}

function fault(path: string, uid: number, mode: number): string | null {
  if (!isAbsolute(path)) return `${path} is not an absolute path.`
  try {
    if (!statSync(path).isFile()) return `${path} is not a regular file.`
    accessSync(path, mode)
  } catch (error) {
    return `${path} cannot be used (${errnoOf(error) ?? 'unknown'}).`
  }
  return checkSafe(path, { uid })
}

export interface Probe {
  /** null: it could not be started. */
  readonly pid: number | null
  /** null: it can take over. Never rejects. */
  readonly fault: Promise<ErrorBody | null>
}

/** Has the new version prove itself on this state directory, as a child, within ten seconds. */
export function probe(given: NewVersion, stateDir: string, env: Readonly<Record<string, string>>): Probe {
  const { node, main, version } = given
  const argv = [node, main, '--probe', '--state-dir', stateDir] as const
  const { pid, result } = startCommand(argv, { timeoutMs: PROBE_MS, env, cwd: stateDir })
  const refused = (reason: string): ErrorBody => ({
    code: 'MARK_REFUSED',
    message: `Version ${version} cannot take over: ${reason}.`,
    hint: null,
  })
  return {
    pid,
    fault: result.then(({ code, stdout, stderr, late }) => {
      if (late) return refused(`it did not answer within ${PROBE_MS / 1000} s`)
      if (code === 0 && stdout.trim() === `ok ${version}`) return null
      if (code === 0) return refused(`it answered ${JSON.stringify(stdout.trim().slice(0, 100))}`)
      return saidError(stderr) ?? refused(`its proof failed: ${lastLine(stderr) || `exit ${code}`}`)
    }),
  }
}

/** `error[MARK_CODE]: sentence. hint: what to do.` as MARK prints it. */
function saidError(text: string): ErrorBody | null {
  const match = /^error\[(MARK_\w+)\]: (.+?)(?: hint: (.+))?$/m.exec(text.slice(0, 10_000))
  if (match === null || !Object.hasOwn(CATALOGUE, match[1] as string)) return null
  return { code: match[1] as ErrorCode, message: match[2] as string, hint: match[3] ?? null }
}

/** What Node says of a program that cannot run: its error, not where it stood. */
function lastLine(text: string): string {
  const lines = text.trim().split('\n')
  const error = lines.find(line => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? ''
  return error.slice(0, 300).replace(/\.$/, '')
}
