/** `ready`, `health` and `silence` of mark.yaml to the questions the daemon asks. */
import type { HealthSpec, Probe, ReadySpec } from '../../core/plan.ts'
import { keyPlaceAt, formatPath, type Path } from './located.ts'
import { argvAt } from './resolve-command.ts'
import type { ModuleInput } from './schema-module.ts'
import { checkPattern, problemAt, problemAtKey, type Scope } from './scope.ts'

const READY_KINDS = ['notify', 'http', 'tcp', 'exec', 'log', 'delay'] as const
const PROBE_KINDS = ['http', 'tcp', 'exec'] as const
const DEFAULT_DELAY_MS = 1000

type Asked = Partial<Pick<ModuleInput['ready'], 'http' | 'tcp' | 'exec'>>

export function readyAt(
  scope: Scope,
  path: Path,
  input: ModuleInput['ready'],
  workingDir: string,
): ReadySpec {
  const chosen = READY_KINDS.filter(kind => input[kind] !== undefined)
  refuseSecond(scope, path, chosen)
  const { timeout: timeoutMs, interval: intervalMs } = input
  const kind = chosen[0]
  if (kind === 'notify') return { kind, timeoutMs }
  if (kind === 'log') {
    const pattern = input.log as string
    checkPattern(scope, [...path, 'log'], pattern)
    return { kind, pattern, timeoutMs }
  }
  const probe = probeAt(scope, path, input, workingDir)
  if (probe) return { ...probe, timeoutMs, intervalMs }
  return { kind: 'delay', delayMs: input.delay ?? DEFAULT_DELAY_MS }
}

export function healthAt(
  scope: Scope,
  path: Path,
  input: ModuleInput['health'],
  workingDir: string,
): HealthSpec | null {
  if (!input) return null
  const chosen = PROBE_KINDS.filter(kind => input[kind] !== undefined)
  refuseSecond(scope, path, chosen)
  const probe = probeAt(scope, path, input, workingDir)
  if (!probe) {
    // From `defaults:` alone (an interval for all) it means: no question for this module.
    const own = keyPlaceAt(scope.tree, path)
    const shared = keyPlaceAt(scope.tree, ['defaults', 'health'])
    if (own === shared) return null
    problemAtKey(scope, path, 'it asks nothing', 'add one of http, tcp, exec')
    return null
  }
  return {
    probe,
    intervalMs: input.interval,
    timeoutMs: input.timeout,
    failures: input.failures,
    startPeriodMs: input.start_period,
    action: input.action,
  }
}

function refuseSecond(scope: Scope, path: Path, chosen: readonly string[]): void {
  const [first, second] = chosen
  if (second === undefined) return
  const at = keyPlaceAt(scope.tree, [...path, second])
  const message = `\`${first}\` and \`${second}\` are both given`
  scope.report.error({ at, path: formatPath([...path, second]), message, hint: 'keep one of them' })
}

function probeAt(scope: Scope, path: Path, input: Asked, workingDir: string): Probe | null {
  if (input.http !== undefined) {
    if (!URL.canParse(input.http))
      problemAt(scope, [...path, 'http'], 'this is not a URL', 'write http://127.0.0.1:8080/ping')
    return { kind: 'http', url: input.http }
  }
  if (input.tcp !== undefined) return { kind: 'tcp', ...addressAt(scope, [...path, 'tcp'], input.tcp) }
  if (input.exec !== undefined)
    return { kind: 'exec', argv: argvAt(scope, [...path, 'exec'], input.exec, workingDir) }
  return null
}

function addressAt(scope: Scope, path: Path, written: string | number): { host: string; port: number } {
  const match = /^(?:(.+):)?(\d+)$/.exec(String(written))
  const port = Number(match?.[2])
  if (!(port >= 1 && port <= 65_535)) problemAt(scope, path, 'the port is not one from 1 to 65535')
  const host = match?.[1] ?? '127.0.0.1'
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port }
}

export function silenceAt(input: ModuleInput['silence']): number | null {
  return input === 'off' ? null : input
}
