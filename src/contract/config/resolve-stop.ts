/** `stop:` of mark.yaml: the signal that asks a run to end, and the commands before and after. */
import type { StopSpec } from '../../core/plan.ts'
import type { Path } from './located.ts'
import { didYouMean } from './problem.ts'
import { argvAt } from './resolve-command.ts'
import type { ProcessInput } from './schema-module.ts'
import { problemAt, type Scope } from './scope.ts'
import { normalizeSignal, SIGNALS } from './signals.ts'

export function stopAt(scope: Scope, at: Path, input: ProcessInput['stop'], workingDir: string): StopSpec {
  const signal = normalizeSignal(input.signal)
  if (signal === null) {
    problemAt(
      scope,
      [...at, 'signal'],
      `"${input.signal}" is not a signal`,
      didYouMean(input.signal.toUpperCase(), SIGNALS),
    )
  }
  const hook = (key: 'before' | 'verify'): readonly string[] | null => {
    const command = input[key]
    return command === undefined ? null : argvAt(scope, [...at, key], command, workingDir)
  }
  return {
    signal: signal ?? 'SIGTERM',
    graceMs: input.grace,
    before: hook('before'),
    verify: hook('verify'),
    orders: input.orders,
  }
}
