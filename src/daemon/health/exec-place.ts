/**
 * As whom, where and with which environment a module's exec probe runs. Worked out once per run, and only for
 * modules that have such a probe. The values of secrets stay in memory and in the probe's environment.
 */
import { join } from 'node:path'
import { MarkError } from '../../core/errors.ts'
import type { ModuleSpec, Plan } from '../../core/plan.ts'
import { fetchExecSecrets, moduleEnvironment, readSecretsEnv } from '../../host/environment.ts'
import type { StateDir } from '../../host/state-dir.ts'
import { findUser, type User, userVariables } from '../../host/users.ts'
import type { ExecPlace } from './exec-probe.ts'

const KEPT = 1000

export class ExecPlaces {
  readonly #state: StateDir
  readonly #credentialsDir: string | undefined
  readonly #places = new Map<string, Promise<ExecPlace>>()

  constructor(state: StateDir, credentialsDir: string | undefined) {
    this.#state = state
    this.#credentialsDir = credentialsDir
  }

  /** The place for one run of this module. Rejects with MARK_ENVIRONMENT; then the next probe tries again. */
  of(plan: Plan, spec: ModuleSpec, runId: string): Promise<ExecPlace> {
    const known = this.#places.get(runId)
    if (known) return known
    const place = this.#make(plan, spec, runId)
    this.#places.set(runId, place)
    place.catch(() => this.#places.delete(runId))
    if (this.#places.size > KEPT) this.#places.delete(this.#places.keys().next().value as string)
    return place
  }

  forget(runId: string): void {
    this.#places.delete(runId)
  }

  async #make(plan: Plan, spec: ModuleSpec, runId: string): Promise<ExecPlace> {
    const user = spec.user === null ? null : userOf(spec.user)
    const execSecrets = await fetchExecSecrets(plan, spec.secrets)
    const env = moduleEnvironment(plan, spec, {
      callerSecrets: readSecretsEnv(this.#state),
      credentialsDir: this.#credentialsDir,
      execSecrets,
      markVariables: {
        ...(user === null ? {} : userVariables(user)),
        MARK_FLEET: plan.fleet,
        MARK_MODULE: spec.name,
        MARK_ROOT: plan.root,
        MARK_STATE_DIR: join(this.#state.state, spec.name),
        MARK_LOG_DIR: this.#state.logs,
        MARK_PROBED_RUN_ID: runId,
      },
    })
    return { cwd: spec.workingDir, env, user }
  }
}

function userOf(name: string): User {
  const user = findUser(name)
  if (!user)
    throw new MarkError('MARK_ENVIRONMENT', `There is no user ${name}.`, 'Correct `user:` in mark.yaml.')
  return user
}
