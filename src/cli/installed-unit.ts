/**
 * The systemd unit that `mark install` wrote for a fleet: where it lies, whether it is this fleet's, and
 * systemctl. Never touches a unit of another fleet, even of one with the same name.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MarkError } from '../core/errors.ts'
import { unitServes } from '../core/systemd-unit.ts'
import { runCommand } from '../host/launch.ts'
import type { CliContext } from './context.ts'

export type UnitScope = 'user' | 'system'

export interface InstalledUnit {
  readonly scope: UnitScope
  /** Such as `mark-sipa.service`. */
  readonly name: string
  readonly file: string
}

const SYSTEMCTL_MS = 60_000

export function systemdRuns(): boolean {
  return existsSync('/run/systemd/system')
}

export function unitDir(env: CliContext['env'], scope: UnitScope): string {
  if (scope === 'system') return '/etc/systemd/system'
  return join(env.XDG_CONFIG_HOME || join(env.HOME ?? '/', '.config'), 'systemd', 'user')
}

/** The unit that starts the keeper under this lock, if the caller may have it started. */
export function installedUnit(context: CliContext, lock: string): InstalledUnit | null {
  if (!systemdRuns()) return null
  const scopes: UnitScope[] = context.uid === 0 ? ['system', 'user'] : ['user']
  for (const scope of scopes) {
    const dir = unitDir(context.env, scope)
    for (const name of unitsIn(dir)) {
      const file = join(dir, name)
      if (unitServes(textOf(file), lock)) return { scope, name, file }
    }
  }
  return null
}

/** Throws MARK_FAILED with the last that systemctl said. */
export async function systemctl(scope: UnitScope, ...words: string[]): Promise<void> {
  const argv = systemctlArgv(scope, words)
  const result = await runCommand(argv, SYSTEMCTL_MS)
  if (result.code === 0) return
  const why = (result.stderr.trim().split('\n')[0] ?? '').replace(/\.$/, '')
  throw new MarkError('MARK_FAILED', `\`${argv.join(' ')}\` failed: ${why}.`, 'see `journalctl -xe`.')
}

/** systemd's word for how the unit is: active, inactive, failed or on the way; '' when it does not say. */
export async function activeState(unit: Pick<InstalledUnit, 'scope' | 'name'>): Promise<string> {
  const argv = systemctlArgv(unit.scope, ['show', '--value', '--property=ActiveState', unit.name])
  return (await runCommand(argv, SYSTEMCTL_MS)).stdout.trim()
}

function systemctlArgv(scope: UnitScope, words: readonly string[]): [string, ...string[]] {
  return ['systemctl', ...(scope === 'user' ? ['--user'] : []), '--no-ask-password', ...words]
}

function unitsIn(dir: string): string[] {
  try {
    return readdirSync(dir).filter(name => /^mark-.+\.service$/.test(name))
  } catch {
    return []
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
