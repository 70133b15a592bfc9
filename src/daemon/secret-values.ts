/**
 * The values of secrets that the daemon can know, so that the archive and the API can mask them: from the
 * caller's environment as the keeper kept it, from files and credentials whatever the mode, and from what
 * looks like a secret in env files and `environment:`; and the passwords of the link. Runs no program: values
 * of `exec` sources are not among them. Never throws; a source that cannot be read now is left out.
 */
import { type Plan, startedSpecs } from '../core/plan.ts'
import { readEnvFile, readSecretsEnv, resolveSecret, type Variables } from '../host/environment.ts'
import { passwordOf, readKey } from '../host/link-access.ts'
import type { StateDir } from '../host/state-dir.ts'

const SECRET_NAME = /KEY|SECRET|TOKEN|PASS/i
const NAMES_A_PLACE = /(?:PATH|FILE|DIR)$/i
const MIN_GUESSED = 8

/** Values, in no order; a value may be there twice. */
export function knownSecrets(plan: Plan, state: StateDir, credentialsDir: string | undefined): string[] {
  const callerSecrets = readSecretsEnv(state)
  const values = Object.values(callerSecrets)
  for (const [name, source] of Object.entries(plan.secrets)) {
    if (source.kind !== 'file' && source.kind !== 'credential') continue
    const context = { callerSecrets, mode: plan.mode, credentialsDir }
    const value = orNull(() => resolveSecret(name, { ...source, modes: null }, context))
    if (value !== null) values.push(value)
  }
  const specs = startedSpecs(plan)
  const paths = new Set([...plan.fleetEnvFiles, ...specs.flatMap(spec => spec.envFiles)])
  const given: Readonly<Variables>[] = specs.map(spec => spec.environment)
  for (const path of paths) given.push(orNull(() => readEnvFile(path)) ?? {})
  for (const variables of given) values.push(...secretsAmong(variables, plan))
  const key = orNull(() => readKey(state.linkKey))
  if (key && plan.link != null) values.push(...plan.modules.map(spec => passwordOf(key, spec.name)))
  return values
}

function secretsAmong(variables: Readonly<Variables>, plan: Plan): string[] {
  return Object.entries(variables)
    .filter(([name, value]) => plan.secrets[name] !== undefined || looksSecret(name, value))
    .map(([, value]) => value)
}

/** `KEYBOARD=default` must not mask a word wherever it stands. */
function looksSecret(name: string, value: string): boolean {
  if (!SECRET_NAME.test(name) || NAMES_A_PLACE.test(name)) return false
  return value.length >= MIN_GUESSED && !/^[a-z]+$/.test(value)
}

function orNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
