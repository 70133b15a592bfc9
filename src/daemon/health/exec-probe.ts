/**
 * Runs a probe's command as the module: argv only, its user, environment and directory, a session of its own,
 * ended with its whole group when its time is up. A failed probe is a result, never an error.
 */
import type { ProbeResult } from '../../core/health.ts'
import { runHook } from '../../host/child-process.ts'

export interface ExecPlace {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Whom to run as; null: the user MARK runs as. */
  readonly user: { readonly uid: number; readonly gid: number } | null
}

const CAP_MS = 30_000
/** Its place on every supported system; never looked up on the module's own PATH. */
const SETPRIV = '/usr/bin/setpriv'

/** Good when it exits 0 within `timeoutMs` (at most 30 s). Never rejects. */
export function execProbe(
  argv: readonly string[],
  timeoutMs: number,
  place: ExecPlace,
): Promise<ProbeResult> {
  const { cwd, env, user } = place
  const whole = user === null ? argv : asUser(user, argv)
  return new Promise(resolve => {
    runHook({ argv: whole, cwd, env }, Math.min(timeoutMs, CAP_MS), (ok, reason) => {
      resolve({ ok, reason: `${argv[0]}: ${reason}` })
    })
  })
}

/** util-linux sets user, group and supplementary groups before it becomes the probe. */
function asUser(user: { readonly uid: number; readonly gid: number }, argv: readonly string[]): string[] {
  return [SETPRIV, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--', ...argv]
}
