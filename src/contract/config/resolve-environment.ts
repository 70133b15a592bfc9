/**
 * What a module's variables are: declared ones, the activated virtualenv, MODE AUTONOMY STRATEGY; and
 * whether all it requires is there. Never puts a secret into the plan.
 */
import { formatPath, keyPlaceAt, type Path } from './located.ts'
import { combine, type EnvFile, parseWord, placeInEnvFile, readEnvFile, WORD_NAMES } from './environment.ts'
import type { Variables } from './interpolate.ts'
import { didYouMean, looksSecret } from './problem.ts'
import type { ProcessInput } from './schema-module.ts'
import { placeOf, problemAt, problemAtKey, resolvePath, type Scope } from './scope.ts'

export function moduleEnvFiles(scope: Scope, module: Path, input: ProcessInput): EnvFile[] {
  const found: EnvFile[] = []
  for (const [index, written] of input.env_file.entries()) {
    const path = pathOfItem(scope, [...module, 'env_file'], index)
    const file = readEnvFile(
      resolvePath(scope, path, written),
      scope.files,
      placeOf(scope, path),
      formatPath(path),
      scope.report,
    )
    if (file) found.push(file)
  }
  return found
}

/** `env_file` may be one path or a list. */
function pathOfItem(scope: Scope, path: Path, index: number): Path {
  const item = [...path, index]
  return placeOf(scope, item) === placeOf(scope, path) ? path : item
}

export function environmentOf(
  scope: Scope,
  module: Path,
  input: ProcessInput,
  ownFiles: readonly EnvFile[],
  virtualenv: string | null,
): Record<string, string> {
  const fromFiles = combine([...scope.fleetEnvFiles, ...ownFiles])
  const environment: Record<string, string> = { ...input.environment }
  const path = [...module, 'environment']
  for (const name of Object.keys(environment)) {
    if (isOfMark(name)) {
      problemAtKey(scope, [...path, name], `\`${name}\` is set by MARK`, 'choose another name')
    }
    if (looksSecret(name) && environment[name] !== '' && !isFile(environment[name] as string))
      warnLiteral(scope, [...path, name])
  }
  if (virtualenv !== null) {
    if (environment.PYTHONHOME) {
      problemAtKey(
        scope,
        [...path, 'PYTHONHOME'],
        'PYTHONHOME would switch the virtualenv off',
        'remove it, or `virtualenv`',
      )
    }
    if (fromFiles.PYTHONHOME) environment.PYTHONHOME = ''
    environment.VIRTUAL_ENV = virtualenv
    const before = environment.PATH ?? fromFiles.PATH ?? scope.baseEnvironment.PATH
    environment.PATH = before ? `${virtualenv}/bin:${before}` : `${virtualenv}/bin`
  }
  sayWords(scope, module, ownFiles, environment)
  return environment
}

/** Variables that MARK hands to each run. */
export function isOfMark(name: string): boolean {
  return name.startsWith('MARK_') || name === 'NOTIFY_SOCKET' || name === 'WATCHDOG_USEC'
}

/** A variable like SSL_KEY_FILE names a file: that is no secret. */
function isFile(value: string): boolean {
  return value.startsWith('/') || value.startsWith('./')
}

/** `path`: of a variable whose value stands in mark.yaml. */
export function warnLiteral(scope: Scope, path: Path): void {
  scope.report.warn({
    at: keyPlaceAt(scope.tree, path),
    path: formatPath(path),
    message: `it looks like a secret, and everything in \`${path.at(-2)}\` is kept in the plan and shown`,
    hint: `declare it under \`secrets:\` and list it here: \`secrets: [${String(path.at(-1))}]\``,
  })
}

/** MODE AUTONOMY STRATEGY are the fleet's; a module that says something else about itself is refused. */
function sayWords(
  scope: Scope,
  module: Path,
  ownFiles: readonly EnvFile[],
  environment: Record<string, string>,
): void {
  for (const word of WORD_NAMES) {
    const variable = word.toUpperCase()
    const fleet = scope.words[word]
    const path = [...module, 'environment', variable]
    const written = environment[variable]
    if (written !== undefined && parseWord(word, written) !== fleet) {
      problemAt(
        scope,
        path,
        `${variable} is ${fleet} for the fleet and something else here`,
        `set \`${word}:\` once, for the fleet`,
      )
    }
    for (const file of ownFiles) {
      const said = file.variables[variable]
      if (said === undefined || parseWord(word, said) === fleet) continue
      const message = `${variable} is ${fleet} for the fleet and something else in ${file.path}`
      const at = placeInEnvFile(file, variable)
      scope.report.error({ at, path: variable, message, hint: `set \`${word}:\` once, for the fleet` })
    }
    environment[variable] = fleet
  }
}

/** Secrets a module lists count as set: whether they can be had is proven when it starts. */
export function requireVariables(
  scope: Scope,
  owner: Path,
  required: readonly string[],
  variables: Variables,
  secrets: readonly string[] = [],
): void {
  for (const [index, name] of required.entries()) {
    if (variables[name] || secrets.includes(name)) continue
    const path = [...owner, 'required_env', index]
    scope.report.error({
      at: placeOf(scope, path),
      path: formatPath(path),
      message: `${name} is required and ${variables[name] === '' ? 'empty' : 'not set'}`,
      hint: `export ${name}, or set it in an env_file`,
      code: 'MARK_ENVIRONMENT',
    })
  }
}

/** A listed secret is declared under `secrets:`, or stands in an env file of the fleet. */
export function requireSecrets(scope: Scope, module: Path, input: ProcessInput, variables: Variables): void {
  const fleet = Object.keys(combine(scope.fleetEnvFiles))
  for (const [index, name] of input.secrets.entries()) {
    if (scope.secretNames.includes(name) || fleet.includes(name) || variables[name] !== undefined) continue
    const known = [...new Set([...scope.secretNames, ...fleet.filter(looksSecret)])]
    const hint = didYouMean(name, known) ?? `declare it: \`secrets: { ${name}: { env: ${name} } }\``
    problemAt(scope, [...module, 'secrets', index], `there is no secret \`${name}\``, hint)
  }
}
