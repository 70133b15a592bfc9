/**
 * One module of mark.yaml to one ModuleSpec: paths absolute, defaults filled in, contradictions refused.
 * Every refusal is a problem at its key; a spec is returned even then, and thrown away with the plan.
 */
import type { Dependency, ModuleSpec, RestartSpec } from '../../core/plan.ts'
import { formatDuration } from '../../core/time.ts'
import { type DEFAULT_BUDGET, fastestFailuresMs, parseBudget, reachable, stretchedBudget } from './budget.ts'
import { nodeAt, type Path } from './located.ts'
import { didYouMean } from './problem.ts'
import { argvAt } from './resolve-command.ts'
import type { Calendars } from './resolve-calendars.ts'
import { resolveHeartbeat } from './resolve-heartbeat.ts'
import { withPreset } from './resolve-preset.ts'
import { healthAt, readyAt, silenceAt } from './resolve-probe.ts'
import { processAt, type Resolved, surroundingsOf } from './resolve-process.ts'
import type { ModuleInput } from './schema-module.ts'
import { problemAt, problemAtKey, type Scope } from './scope.ts'

export function resolveModule(
  scope: Scope,
  name: string,
  given: ModuleInput,
  calendars: Calendars,
): Resolved {
  const at: Path = ['modules', name]
  const around = surroundingsOf(scope, at, given)
  const { workingDir, envFiles, virtualenv } = around
  const input = withPreset(scope, at, given, around)
  checkBackend(scope, at, input)
  const spec: ModuleSpec = {
    name,
    kind: input.kind,
    ...processAt(scope, at, input, around),
    dependsOn: dependenciesAt(scope, at, name, input),
    ready: readyAt(scope, [...at, 'ready'], input.ready, workingDir),
    ...watchedBy(scope, at, input, workingDir),
    heartbeat: resolveHeartbeat(scope, [...at, 'heartbeat'], input, calendars),
    restart: restartAt(scope, [...at, 'restart'], input),
    lock: input.lock ?? null,
    backend: input.backend,
    preset: input.preset ?? null,
  }
  return { at, spec, envFiles, virtualenv }
}

type Watched = Pick<ModuleSpec, 'health' | 'watchdogMs' | 'silenceMs' | 'recover'>

function watchedBy(scope: Scope, at: Path, input: ModuleInput, workingDir: string): Watched {
  const { recover: asked, heartbeat } = input
  const argv = asked ? argvAt(scope, [...at, 'recover', 'command'], asked.command, workingDir) : []
  const health = healthAt(scope, [...at, 'health'], input.health, workingDir)
  if (health?.action === 'recover' && !asked) {
    const message = '`recover` is asked for, but there is no `recover:`'
    problemAt(scope, [...at, 'health', 'action'], message, 'add `recover: { command: [...] }`')
  }
  return {
    health,
    watchdogMs: heartbeat === 'off' ? null : heartbeat.timeout,
    silenceMs: silenceAt(input.silence),
    recover: asked ? { argv, timeoutMs: asked.timeout } : null,
  }
}

function checkBackend(scope: Scope, at: Path, { backend }: ModuleInput): void {
  if (backend === 'process') return
  const message = `the backend \`${backend}\` is not in this version`
  problemAt(scope, [...at, 'backend'], message, 'write `process`, or leave it out')
}

function dependenciesAt(scope: Scope, at: Path, name: string, input: ModuleInput): Dependency[] {
  const found: Dependency[] = []
  for (const [needed, { condition }] of Object.entries(input.depends_on)) {
    const path = [...at, 'depends_on', needed]
    const others = scope.moduleNames.filter(other => other !== name)
    if (needed === name) problemAtKey(scope, path, `\`${name}\` depends on itself`, 'remove it')
    else if (!scope.moduleNames.includes(needed) && !scope.builtIn.includes(needed)) {
      problemAtKey(scope, path, `there is no module \`${needed}\``, didYouMean(needed, others))
    }
    const task = scope.isTask(needed)
    if (condition === 'completed' && !task) {
      const message = `\`${needed}\` is a service and never completes`
      problemAt(
        scope,
        [...path, 'condition'],
        message,
        `wait for \`ready\`, or make \`${needed}\` a task: \`kind: task\``,
      )
    }
    found.push({ name: needed, condition: condition ?? (task ? 'completed' : 'ready') })
  }
  return found
}

function restartAt(scope: Scope, at: Path, input: ModuleInput): RestartSpec {
  const { policy, delay, multiplier, max_delay, jitter, reset_after, budget, when_spent } = input.restart
  const maxDelayMs = max_delay ?? Math.max(300_000, delay)
  if (maxDelayMs < delay) {
    const message = `max_delay ${formatDuration(maxDelayMs)} is less than delay ${formatDuration(delay)}`
    problemAt(scope, [...at, 'max_delay'], message, 'make max_delay the larger one')
  }
  const delays = { delayMs: delay, multiplier, maxDelayMs, jitter }
  const written =
    budget === undefined ? null : (typeof budget === 'string' ? [budget] : budget).map(parseBudget)
  for (const [index, one] of (written ?? []).entries()) {
    if (one.windowMs > 0 && reachable(one, delays)) continue
    const isList = nodeAt(scope.tree, [...at, 'budget'])?.kind === 'list'
    const path = isList ? [...at, 'budget', index] : [...at, 'budget']
    const fastest = formatDuration(Math.round(fastestFailuresMs(one.count, delays) / 1000) * 1000)
    const window = formatDuration(one.windowMs)
    const least = `with these delays ${one.count} failures take at least ${fastest}`
    const message = `it can never be spent: ${least}, more than ${window}`
    problemAt(
      scope,
      path,
      message,
      `widen the window beyond ${fastest}, lower the count, or shorten delay and max_delay`,
    )
  }
  return {
    policy: policy ?? (input.kind === 'task' ? 'on-failure' : 'always'),
    ...delays,
    resetAfterMs: reset_after,
    budget: written ?? (stretchedBudget(delays) satisfies typeof DEFAULT_BUDGET),
    whenSpent: when_spent,
  }
}
