/**
 * `mark install` and `uninstall`: the systemd unit that starts this fleet at boot and restarts MARK
 * itself. Never stops or starts a module.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MarkError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import { systemdUnit, unitName } from '../../core/systemd-unit.ts'
import { writeAtomic } from '../../host/atomic-file.ts'
import { findOnPath } from '../../host/inspect.ts'
import { runCommand } from '../../host/launch.ts'
import { lockHolder } from '../../host/lock-holder.ts'
import { makeStateDir } from '../../host/make-state-dir.ts'
import type { CliContext } from '../context.ts'
import { keeperArgv } from '../keeper-start.ts'
import { loadPlan } from '../load-plan.ts'

type UnitScope = 'user' | 'system'
const SYSTEMCTL_MS = 60_000

export async function install(
  context: CliContext,
  asked: UnitScope | null,
  printOnly: boolean,
): Promise<number> {
  const scope = asked ?? defaultScope(context)
  const { plan } = await loadPlan(context)
  const unit = unitOf(context, plan, scope)
  if (printOnly) {
    context.write(unit)
    return 0
  }
  proveSystemd(context, scope)
  const file = unitFile(context, plan.fleet, scope)
  const state = context.stateDir()
  makeStateDir(state)
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  writeAtomic(file, unit, { mode: 0o644, fsync: true })
  await systemctl(scope, 'daemon-reload')
  await systemctl(scope, 'enable', unitName(plan.fleet))
  context.note(`wrote ${file} and enabled it: the fleet starts at boot.`)
  const ctl = scope === 'user' ? 'systemctl --user' : 'systemctl'
  const runsNow = lockHolder(state.keeperLock) !== null
  const next = runsNow
    ? `mark down && ${ctl} start ${unitName(plan.fleet)}`
    : `${ctl} start ${unitName(plan.fleet)}`
  context.note(
    `${runsNow ? 'a keeper started by hand has this fleet; to hand it to systemd' : 'start it now'}: ${next}`,
  )
  if (scope === 'user')
    context.note(`so that it runs without a login: loginctl enable-linger ${context.user}`)
  return 0
}

export async function uninstall(context: CliContext, asked: UnitScope | null): Promise<number> {
  const scope = asked ?? defaultScope(context)
  const { plan } = await loadPlan(context)
  const file = unitFile(context, plan.fleet, scope)
  if (!existsSync(file)) {
    throw new MarkError(
      'MARK_NOT_INSTALLED',
      `There is no ${file}.`,
      'nothing to remove; --user and --system are two places.',
    )
  }
  proveSystemd(context, scope)
  await systemctl(scope, 'disable', unitName(plan.fleet))
  rmSync(file)
  await systemctl(scope, 'daemon-reload')
  context.note(`removed ${file}. What runs goes on; \`mark down\` stops it.`)
  return 0
}

function defaultScope(context: CliContext): UnitScope {
  return context.uid === 0 ? 'system' : 'user'
}

function unitOf(context: CliContext, plan: Plan, scope: UnitScope): string {
  const state = context.stateDir()
  const path = context.env.PATH ?? '/usr/local/bin:/usr/bin:/bin'
  const flock = findOnPath('flock', path)
  if (flock === null)
    throw new MarkError(
      'MARK_UNSUPPORTED',
      'flock is not here, and the unit needs it.',
      'install util-linux.',
    )
  const bin = fileURLToPath(new URL('../../../bin/mark', import.meta.url))
  return systemdUnit({
    fleet: plan.fleet,
    scope,
    account: null,
    flock,
    lock: state.keeperLock,
    keeper: keeperArgv(context, state.dir),
    mark: [bin, '--state-dir', state.dir],
    directory: plan.root,
    path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    stopMs: stopMs(plan),
  })
}

/** Every module waiting for the one before it, each with its hooks: nothing takes longer. */
function stopMs(plan: Plan): number {
  const HOOK_MS = 30_000
  return plan.modules.reduce((sum, { stop }) => {
    const hooks = (stop.before === null ? 0 : HOOK_MS) + (stop.verify === null ? 0 : HOOK_MS)
    return sum + stop.graceMs + hooks
  }, 0)
}

function unitFile(context: CliContext, fleet: string, scope: UnitScope): string {
  if (scope === 'system') return join('/etc/systemd/system', unitName(fleet))
  const config = context.env.XDG_CONFIG_HOME || join(context.env.HOME ?? '/', '.config')
  return join(config, 'systemd', 'user', unitName(fleet))
}

function proveSystemd(context: CliContext, scope: UnitScope): void {
  if (!existsSync('/run/systemd/system')) {
    const hint = '`mark install --print` shows the unit; a container runs `mark up` in the foreground.'
    throw new MarkError('MARK_UNSUPPORTED', 'systemd does not run on this host.', hint)
  }
  if (scope === 'system' && context.uid !== 0) {
    throw new MarkError('MARK_NEEDS_ROOT', 'A system unit needs root.', 'use sudo, or `mark install --user`.')
  }
}

async function systemctl(scope: UnitScope, ...words: string[]): Promise<void> {
  const argv = ['systemctl', ...(scope === 'user' ? ['--user'] : []), ...words] as [string, ...string[]]
  const result = await runCommand(argv, SYSTEMCTL_MS)
  if (result.code === 0) return
  const why = result.stderr.trim().split('\n').at(-1) ?? ''
  throw new MarkError('MARK_FAILED', `\`${argv.join(' ')}\` failed: ${why}.`, 'see `journalctl -xe`.')
}
