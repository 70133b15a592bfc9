/**
 * Runs a probe's command as the module: argv only, its user, environment and directory, a session of its own,
 * ended with its whole group when its time is up. A failed probe is a result, never an error.
 */
import type { ProbeResult } from '../../core/health.ts'
import { trampoline } from '../../core/trampoline.ts'
import { runHook } from '../../host/child-process.ts'
import { trampolineTools } from '../../host/trampoline-tools.ts'

export interface ExecPlace {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Whom to run as; null: the user MARK runs as. */
  readonly user: { readonly uid: number; readonly gid: number } | null
}

const CAP_MS = 30_000

/** Good when it exits 0 within `timeoutMs` (at most 30 s). Never rejects. */
export function execProbe(
  argv: readonly string[],
  timeoutMs: number,
  place: ExecPlace,
): Promise<ProbeResult> {
  const { cwd, env, user } = place
  const whole = trampoline({ argv, user, umask: null, ulimits: {}, tools: trampolineTools() })
  return new Promise(resolve => {
    runHook({ argv: whole, cwd, env }, Math.min(timeoutMs, CAP_MS), (ok, reason) => {
      resolve({ ok, reason: `${argv[0]}: ${reason}` })
    })
  })
}
