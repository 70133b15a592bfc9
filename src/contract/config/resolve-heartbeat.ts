/** `heartbeat:` of a module to what the plan knows of it; null: off. */
import type { HeartbeatSpec } from '../../core/plan.ts'
import { formatPath, keyPlaceAt, type Path } from './located.ts'
import type { Calendars } from './resolve-calendars.ts'
import { resolveWhen } from './resolve-when.ts'
import type { ModuleInput } from './schema-module.ts'
import { problemAt, type Scope } from './scope.ts'

export function resolveHeartbeat(
  scope: Scope,
  path: Path,
  { heartbeat, recover }: ModuleInput,
  calendars: Calendars,
): HeartbeatSpec | null {
  if (heartbeat === 'off') return null
  const { timeout, max_data_age, when, expect_state, ladder } = heartbeat
  if (ladder.recover !== 'off' && !recover) {
    const message = '`recover` is asked for, but there is no `recover:`'
    problemAt(scope, [...path, 'ladder', 'recover'], message, 'add `recover: { command: [...] }`')
  }
  const hours = resolveWhen(scope, [...path, 'when'], when, calendars)
  if (when !== undefined && max_data_age === undefined) warnOfIdle(scope, [...path, 'when'])
  const after = (rung: number | 'off'): number | null => (rung === 'off' ? null : rung)
  return {
    timeoutMs: timeout,
    maxDataAgeMs: max_data_age ?? null,
    ...(hours && { when: hours }),
    expectState: expect_state ?? null,
    ladder: {
      pauseMs: after(ladder.pause),
      recoverMs: after(ladder.recover),
      restartMs: after(ladder.restart),
    },
  }
}

function warnOfIdle(scope: Scope, path: Path): void {
  const message = '`when` says when max_data_age counts, and there is none'
  const at = keyPlaceAt(scope.tree, path)
  scope.report.warn({ at, path: formatPath(path), message, hint: 'add `max_data_age: 10s`, or remove it' })
}
