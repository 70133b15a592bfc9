/**
 * What `mark check` says though nothing is wrong: health that is only "alive", secrets that reach nobody or
 * are literal.
 */
import type { Plan } from '../../core/plan.ts'
import { placeInEnvFile } from './environment.ts'
import { formatPath, keyPlaceAt, type Path } from './located.ts'
import { readPreset } from './presets.ts'
import { looksSecret } from './problem.ts'
import type { Scope } from './scope.ts'

export function warnAbout(scope: Scope, plan: Plan): void {
  for (const { name, kind, health, silenceMs, ready } of plan.modules) {
    if (kind === 'task' || health !== null || silenceMs !== null || ready.kind === 'notify') continue
    const message = 'nothing asks whether it is healthy: MARK sees only that its process is alive'
    warn(
      scope,
      ['modules', name],
      message,
      'add `health:` or `silence:`, or send WATCHDOG=1 on NOTIFY_SOCKET',
    )
  }
  warnUntested(scope, plan)
  warnUnreached(scope, plan)
  warnMissing(scope, plan)
}

function warnUntested(scope: Scope, plan: Plan): void {
  for (const { name, preset } of plan.modules) {
    if (readPreset(preset, scope.files)?.tested !== 'untested') continue
    const message = `the preset ${preset} was never tried with the real program`
    warn(scope, ['modules', name, 'preset'], message, 'prove a start and a stop in mode TEST first')
  }
}

function listedSecrets({ modules, jobs = [] }: Plan): Set<string> {
  return new Set([...modules, ...jobs.map(job => job.start)].flatMap(({ secrets }) => secrets))
}

/** SPEC 3: a name like *KEY* in an env file of the fleet reaches nobody unless a module lists it. */
function warnUnreached(scope: Scope, plan: Plan): void {
  const listed = listedSecrets(plan)
  for (const file of scope.fleetEnvFiles) {
    for (const name of Object.keys(file.variables)) {
      if (!looksSecret(name) || listed.has(name)) continue
      const message = `${name} looks like a secret and reaches no module and no job`
      scope.report.warn({
        at: placeInEnvFile(file, name),
        path: name,
        message,
        hint: `list it where it is needed: \`secrets: [${name}]\``,
      })
    }
  }
}

/** Secrets from the caller's environment: kept for restarts, so that a reboot can start the fleet again. */
function warnMissing(scope: Scope, plan: Plan): void {
  const listed = listedSecrets(plan)
  const inFiles = new Set(scope.fleetEnvFiles.flatMap(file => Object.keys(file.variables)))
  for (const [name, source] of Object.entries(plan.secrets)) {
    const path = ['secrets', name]
    if (!listed.has(name))
      warn(
        scope,
        path,
        'no module and no job lists this secret',
        `list it where it is needed: \`secrets: [${name}]\``,
      )
    else if (source.kind === 'env' && (source.modes === null || source.modes.includes(plan.mode))) {
      const set = Boolean(scope.env[source.name])
      if (set)
        warn(
          scope,
          path,
          `${source.name} will be kept in .mark/secrets.env (0600)`,
          'use `file:` or `credential:` to keep it elsewhere',
        )
      else if (!inFiles.has(source.name)) {
        const message = `${source.name} is not set: no start without it, unless an earlier \`up\` kept it`
        warn(scope, path, message, `export ${source.name} before \`mark up\``)
      }
    }
  }
}

function warn(scope: Scope, path: Path, message: string, hint: string): void {
  scope.report.warn({ at: keyPlaceAt(scope.tree, path), path: formatPath(path), message, hint })
}
