/**
 * The daemon as a module: the keeper's child number one.
 */
import { DAEMON } from './child-name.ts'
import { ownModule } from './own-module.ts'
import type { ModuleSpec } from './plan.ts'

export function daemonSpec(
  argv: readonly string[],
  workingDir: string,
  environment: Readonly<Record<string, string>>,
): ModuleSpec {
  const ready = { kind: 'delay', delayMs: 1000 } as const
  return ownModule(
    { name: DAEMON, argv, workingDir, environment, ready, watchdogMs: null },
    { resetAfterMs: 10_000, graceMs: 2000, log: { keep: 1, quotaBytes: 20_000_000, rotate: 'rename' } },
  )
}
