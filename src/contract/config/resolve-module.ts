/**
 * One module of mark.yaml to one ModuleSpec: paths absolute, defaults filled in, contradictions refused.
 * Every refusal is a problem at its key; a spec is returned even then, and thrown away with the plan.
 */
import type { Dependency, LimitSpec, LogSpec, ModuleSpec, RestartSpec, StopSpec } from '../../core/plan.ts'
import { formatDuration } from '../../core/time.ts'
import { type DEFAULT_BUDGET, fastestFailuresMs, parseBudget, reachable, stretchedBudget } from './budget.ts'
import { combine, digestOf, type EnvFile } from './environment.ts'
import { nodeAt, type Path } from './located.ts'
import { argvAt, commandAt } from './resolve-command.ts'
import { environmentOf, moduleEnvFiles, requireSecrets, requireVariables } from './resolve-environment.ts'
import type { Calendars } from './resolve-calendars.ts'
import { resolveHeartbeat } from './resolve-heartbeat.ts'
import { withPreset } from './resolve-preset.ts'
import { healthAt, readyAt, silenceAt } from './resolve-probe.ts'
import { didYouMean } from './problem.ts'
import { checkPattern, directoryOf, problemAt, problemAtKey, resolvePath, type Scope } from './scope.ts'
import type { ModuleInput } from './schema-module.ts'
import { normalizeSignal, SIGNALS } from './signals.ts'

export interface Resolved {
  readonly spec: ModuleSpec
  /** Files of the fleet, then of the module. */
  readonly envFiles: readonly EnvFile[]
  readonly virtualenv: string | null
}

export function resolveModule(
  scope: Scope,
  name: string,
  given: ModuleInput,
  calendars: Calendars,
): Resolved {
  const at: Path = ['modules', name]
  const pathAt = (key: 'working_dir' | 'virtualenv'): string | null => {
    const written = given[key]
    return written === undefined ? null : resolvePath(scope, [...at, key], written)
  }
  const workingDir = pathAt('working_dir') ?? directoryOf(scope, at)
  const virtualenv = pathAt('virtualenv')
  const ownFiles = moduleEnvFiles(scope, at, given)
  const envFiles = [...scope.fleetEnvFiles, ...ownFiles]
  const variables = combine(envFiles)
  const input = withPreset(scope, at, given, { workingDir, virtualenv, variables })
  const environment = environmentOf(scope, at, input, ownFiles, virtualenv)
  requireVariables(
    scope,
    at,
    input.required_env,
    { ...scope.env, ...variables, ...environment },
    input.secrets,
  )
  requireSecrets(scope, at, input, variables)
  checkHost(scope, at, input)
  const spec: ModuleSpec = {
    name,
    kind: input.kind,
    argv: commandAt(scope, at, input, workingDir),
    workingDir,
    environment,
    envFiles: envFiles.map(file => file.path),
    envDigest: digestOf(envFiles),
    secrets: [...new Set(input.secrets)],
    user: input.user ?? null,
    umask: input.umask?.padStart(4, '0') ?? null,
    ulimits: input.ulimits,
    limits: limitsOf(input.limits),
    dependsOn: dependenciesAt(scope, at, name, input),
    ready: readyAt(scope, [...at, 'ready'], input.ready, workingDir),
    ...watchedBy(scope, at, input, workingDir),
    heartbeat: resolveHeartbeat(scope, [...at, 'heartbeat'], input, calendars),
    restart: restartAt(scope, [...at, 'restart'], input),
    stop: stopAt(scope, [...at, 'stop'], input.stop, workingDir),
    log: logAt(scope, [...at, 'log'], input.log),
    lock: input.lock ?? null,
    backend: input.backend,
    preset: input.preset ?? null,
  }
  return { spec, envFiles, virtualenv }
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

function checkHost(scope: Scope, at: Path, input: ModuleInput): void {
  if (input.user !== undefined && scope.uid !== 0) {
    problemAt(
      scope,
      [...at, 'user'],
      'running as another user needs root',
      'run MARK as root, or remove `user`',
    )
  }
  if (input.backend !== 'process') {
    const message = `the backend \`${input.backend}\` is not in this version`
    problemAt(scope, [...at, 'backend'], message, 'write `process`, or leave it out')
  }
  checkUlimits(scope, at, input.ulimits)
}

const ULIMITS =
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  )

function checkUlimits(scope: Scope, at: Path, ulimits: Readonly<Record<string, number>>): void {
  for (const name of Object.keys(ulimits)) {
    if (ULIMITS.includes(name)) continue
    problemAtKey(
      scope,
      [...at, 'ulimits', name],
      `\`${name}\` is not a limit Linux knows`,
      didYouMean(name, ULIMITS),
    )
  }
}

function limitsOf(input: ModuleInput['limits']): LimitSpec {
  return {
    memoryBytes: input.memory ?? null,
    cpus: input.cpus ?? null,
    pids: input.pids ?? null,
    onMemory: input.on_memory,
  }
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

function stopAt(scope: Scope, at: Path, input: ModuleInput['stop'], workingDir: string): StopSpec {
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

const GIB = 1024 ** 3
const RING_TAIL_BYTES = 256 * 1024

function logAt(scope: Scope, at: Path, input: ModuleInput['log']): LogSpec {
  const quotaBytes = input.quota ?? Math.max(GIB, 2 * input.max_size)
  if (input.rotate === 'ring' && input.max_size <= RING_TAIL_BYTES) {
    problemAt(
      scope,
      [...at, 'max_size'],
      'it must be more than 256K, which always stays in the file',
      'write 1M or more',
    )
  }
  if (quotaBytes < input.max_size) {
    problemAt(scope, [...at, 'quota'], 'the quota is less than max_size', 'make quota the larger one')
  }
  if (input.level_pattern !== undefined) checkPattern(scope, [...at, 'level_pattern'], input.level_pattern)
  return {
    maxSizeBytes: input.max_size,
    keep: input.keep,
    quotaBytes,
    reserveBytes: input.reserve,
    rotate: input.rotate,
    levelPattern: input.level_pattern ?? null,
  }
}
