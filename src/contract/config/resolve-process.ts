/**
 * What modules and jobs have in common: what is started, where, with which variables, as whom and within
 * which limits, and how it is stopped. Every refusal is a problem at its key.
 */
import type { LimitSpec, ModuleSpec } from '../../core/plan.ts'
import { combine, digestOf, type EnvFile } from './environment.ts'
import type { Path } from './located.ts'
import type { Surroundings } from './presets.ts'
import { didYouMean } from './problem.ts'
import { commandAt } from './resolve-command.ts'
import { environmentOf, moduleEnvFiles, requireSecrets, requireVariables } from './resolve-environment.ts'
import { logAt } from './resolve-log.ts'
import { stopAt } from './resolve-stop.ts'
import type { ProcessInput } from './schema-module.ts'
import { directoryOf, problemAt, problemAtKey, resolvePath, type Scope } from './scope.ts'

export interface Resolved {
  /** Where it stands: `modules.NAME` or `jobs.NAME`. */
  readonly at: Path
  readonly spec: ModuleSpec
  /** Files of the fleet, then its own. */
  readonly envFiles: readonly EnvFile[]
  readonly virtualenv: string | null
}

export interface ProcessSurroundings extends Surroundings {
  readonly ownFiles: readonly EnvFile[]
  /** Files of the fleet, then its own. */
  readonly envFiles: readonly EnvFile[]
}

/** What can be known before a preset had its say. */
export function surroundingsOf(scope: Scope, at: Path, given: ProcessInput): ProcessSurroundings {
  const pathAt = (key: 'working_dir' | 'virtualenv'): string | null => {
    const written = given[key]
    return written === undefined ? null : resolvePath(scope, [...at, key], written)
  }
  const ownFiles = moduleEnvFiles(scope, at, given)
  const envFiles = [...scope.fleetEnvFiles, ...ownFiles]
  return {
    workingDir: pathAt('working_dir') ?? directoryOf(scope, at),
    virtualenv: pathAt('virtualenv'),
    variables: combine(envFiles),
    ownFiles,
    envFiles,
  }
}

type Process = Pick<
  ModuleSpec,
  | ('argv' | 'workingDir' | 'environment' | 'envFiles' | 'envDigest' | 'secrets')
  | ('user' | 'umask' | 'ulimits' | 'limits' | 'stop' | 'log')
>

export function processAt(
  scope: Scope,
  at: Path,
  input: ProcessInput,
  { workingDir, virtualenv, variables, ownFiles, envFiles }: ProcessSurroundings,
): Process {
  const environment = environmentOf(scope, at, input, ownFiles, virtualenv)
  const all = { ...scope.env, ...variables, ...environment }
  requireVariables(scope, at, input.required_env, all, input.secrets)
  requireSecrets(scope, at, input, variables)
  checkUser(scope, at, input)
  checkUlimits(scope, at, input.ulimits)
  return {
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
    stop: stopAt(scope, [...at, 'stop'], input.stop, workingDir),
    log: logAt(scope, [...at, 'log'], input.log),
  }
}

function checkUser(scope: Scope, at: Path, { user }: ProcessInput): void {
  if (user === undefined || scope.uid === 0) return
  const hint = 'run MARK as root, or remove `user`'
  problemAt(scope, [...at, 'user'], 'running as another user needs root', hint)
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

function limitsOf(input: ProcessInput['limits']): LimitSpec {
  return {
    memoryBytes: input.memory ?? null,
    cpus: input.cpus ?? null,
    pids: input.pids ?? null,
    onMemory: input.on_memory,
  }
}
