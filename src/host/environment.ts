/**
 * The environment of a module, put together at each spawn in one place: base, env files, what the config
 * declares, the secrets that this module lists and this mode allows, MARK's own variables; later ones win.
 * Values never reach an error, a log or the plan; messages name paths and variables only.
 */
import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { MarkError } from '../core/errors.ts'
import type { Mode, ModuleSpec, Plan, SecretSource } from '../core/plan.ts'
import { readRegularFile, writeAtomic } from './atomic-file.ts'
import { errnoOf, HostShortage, isShortage } from './shortage.ts'
import type { StateDir } from './state-dir.ts'

export type Variables = Record<string, string>

export interface SecretContext {
  /** Secrets with an `env` source, by the variable's name in the caller's environment. */
  readonly callerSecrets: Readonly<Variables>
  readonly mode: Mode
  /** systemd's CREDENTIALS_DIRECTORY. */
  readonly credentialsDir?: string | undefined
  /** Environment of an `exec` source's program. */
  readonly environment?: Readonly<Variables> | undefined
  /** Values of `exec` sources fetched before, by secret name: then nothing is run here. */
  readonly execSecrets?: Readonly<Variables> | undefined
}

export interface Given {
  readonly callerSecrets: Readonly<Variables>
  readonly markVariables?: Readonly<Variables>
  readonly credentialsDir?: string | undefined
  readonly execSecrets?: Readonly<Variables> | undefined
}

const EXEC_TIMEOUT_MS = 10_000
const EXEC_MAX_BYTES = 64 * 1024
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const SECRET_NAME = /KEY|SECRET|TOKEN|PASS/i

/** Variables of one env file. MARK_ENVIRONMENT when it is missing or unreadable. */
export function readEnvFile(path: string): Variables {
  return { ...parseEnv(readText(path, 'env file')) } as Variables
}

/**
 * The value of one secret; null when its mode does not allow it or its source has none. MARK_ENVIRONMENT when
 * the source fails. An `exec` source blocks for up to 10 s unless `execSecrets` has it: see
 * `fetchExecSecrets`.
 */
export function resolveSecret(name: string, source: SecretSource, context: SecretContext): string | null {
  if (!allowed(source, context.mode)) return null
  switch (source.kind) {
    case 'env':
      return context.callerSecrets[source.name] ?? null
    case 'file':
      return secretFile(source.path)
    case 'credential':
      return context.credentialsDir ? secretFile(join(context.credentialsDir, source.name)) : null
    case 'exec':
      return context.execSecrets?.[name] ?? runNow(name, source.argv, context.environment)
  }
}

/**
 * Runs the `exec` sources of these secrets side by side, 10 s each at most; for a caller that must not block.
 */
export async function fetchExecSecrets(plan: Plan, names: readonly string[]): Promise<Variables> {
  const values: Variables = {}
  await Promise.all(
    names.map(async name => {
      const source = plan.secrets[name]
      if (source?.kind !== 'exec' || !allowed(source, plan.mode)) return
      values[name] = await run(name, source.argv, plan.baseEnvironment)
    }),
  )
  return values
}

/** Secrets of the caller's environment that no file has, kept for the keeper's next start: 0600. */
export function writeSecretsEnv(state: StateDir, values: Readonly<Variables>): void {
  if (Object.keys(values).length === 0) {
    rmSync(state.secretsEnv, { force: true })
    return
  }
  const lines = Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}\n`)
  writeAtomic(state.secretsEnv, lines.join(''), { mode: 0o600, fsync: true })
}

/** What `writeSecretsEnv` kept; {} when nothing. Damaged lines are left out. */
export function readSecretsEnv(state: StateDir): Variables {
  const values: Variables = {}
  const text = readRegularFile(state.secretsEnv)?.toString('utf8') ?? ''
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    try {
      const value: unknown = JSON.parse(line.slice(at + 1))
      if (at > 0 && typeof value === 'string') values[line.slice(0, at)] = value
    } catch {}
  }
  return values
}

/**
 * Everything a module's process gets. MARK_ENVIRONMENT for an env file that is missing or a listed secret
 * without a value. A name like *KEY* *SECRET* *TOKEN* *PASS* in a fleet env file reaches only modules that
 * list it.
 */
export function moduleEnvironment(plan: Plan, spec: ModuleSpec, given: Given): Variables {
  const fleetCount = fleetFileCount(plan, spec)
  const environment: Variables = { PYTHONUNBUFFERED: '1', ...plan.baseEnvironment }
  const fleet: Variables = {}
  for (const path of spec.envFiles.slice(0, fleetCount)) Object.assign(fleet, readEnvFile(path))
  for (const [name, value] of Object.entries(fleet)) {
    if (fleetMayGive(name, plan, spec)) environment[name] = value
  }
  for (const path of spec.envFiles.slice(fleetCount)) Object.assign(environment, readEnvFile(path))
  Object.assign(environment, spec.environment)
  addSecrets(environment, plan, spec, given, fleet)
  return Object.assign(environment, given.markVariables)
}

/** A secret from a fleet file reaches only modules that list it, and only in its modes. */
function fleetMayGive(name: string, plan: Plan, spec: ModuleSpec): boolean {
  const source = plan.secrets[name]
  if (source === undefined && !SECRET_NAME.test(name)) return true
  return spec.secrets.includes(name) && (source === undefined || allowed(source, plan.mode))
}

function addSecrets(
  to: Variables,
  plan: Plan,
  spec: ModuleSpec,
  given: Given,
  fleet: Readonly<Variables>,
): void {
  const { credentialsDir, execSecrets, callerSecrets } = given
  const context = {
    mode: plan.mode,
    environment: plan.baseEnvironment,
    // The caller's environment wins over the fleet's env file, as it does for ${VAR}.
    callerSecrets: { ...fleet, ...callerSecrets },
    credentialsDir,
    execSecrets,
  }
  for (const name of spec.secrets) {
    const source = plan.secrets[name]
    if (source === undefined || !allowed(source, plan.mode)) continue
    const value = resolveSecret(name, source, context) ?? to[name]
    if (value === undefined) throw environmentError(`The secret ${name} of ${spec.name} has no value.`)
    to[name] = value
  }
}

/** The fleet's files stand first in a module's list, see ModuleSpec. */
function fleetFileCount(plan: Plan, spec: ModuleSpec): number {
  const own = spec.envFiles.findIndex((path, at) => plan.fleetEnvFiles[at] !== path)
  return own < 0 ? spec.envFiles.length : own
}

function allowed(source: SecretSource, mode: Mode): boolean {
  return source.modes === null || source.modes.includes(mode)
}

/** One trailing newline is not part of a secret. */
function trim(text: string): string {
  return text.replace(/\r?\n$/, '')
}

function secretFile(path: string): string {
  return trim(readText(path, 'secret file', stat => (stat.mode & 0o002) !== 0))
}

function readText(path: string, what: string, refuse?: (stat: { mode: number }) => boolean): string {
  let fd: number
  try {
    // O_NONBLOCK: a FIFO must not stop the keeper.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (isShortage(error)) throw new HostShortage(`to open ${path}`, errnoOf(error) ?? 'EMFILE')
    throw environmentError(`The ${what} ${path} cannot be read (${errnoOf(error) ?? 'unknown'}).`)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw environmentError(`The ${what} ${path} is not a regular file.`)
    if (stat.size > 1024 * 1024) throw environmentError(`The ${what} ${path} is larger than 1 MB.`)
    if (refuse?.(stat)) throw environmentError(`The ${what} ${path} can be written by everybody.`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

function runNow(name: string, argv: readonly string[], environment: Readonly<Variables> | undefined): string {
  try {
    const [command, ...args] = argv
    const options = {
      ...execOptions(environment),
      stdio: ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'],
    }
    return firstBytes(execFileSync(command ?? '', args, options))
  } catch (error) {
    throw execError(name, error)
  }
}

function run(name: string, argv: readonly string[], environment: Readonly<Variables>): Promise<string> {
  return new Promise((resolve, reject) => {
    const [command, ...args] = argv
    const child = execFile(command ?? '', args, execOptions(environment), (error, stdout) => {
      if (error) reject(execError(name, error))
      else resolve(firstBytes(stdout))
    })
    child.stdin?.end()
  })
}

function execOptions(environment: Readonly<Variables> | undefined) {
  return {
    timeout: EXEC_TIMEOUT_MS,
    killSignal: 'SIGKILL' as const,
    maxBuffer: EXEC_MAX_BYTES,
    encoding: 'buffer' as const,
    env: { PATH: DEFAULT_PATH, ...environment },
  }
}

function firstBytes(stdout: Buffer): string {
  return trim(stdout.subarray(0, EXEC_MAX_BYTES).toString('utf8'))
}

/** Only how it ended: a program's own words may hold the secret. */
function execError(name: string, error: unknown): MarkError {
  const { code, status, signal } = error as { code?: unknown; status?: unknown; signal?: unknown }
  return environmentError(
    `The program for the secret ${name} failed (${signal ?? code ?? status ?? 'unknown'}).`,
  )
}

function environmentError(message: string): MarkError {
  return new MarkError(
    'MARK_ENVIRONMENT',
    message,
    'See env_file and secrets in mark.yaml; `mark check` tests them.',
  )
}
