/**
 * `mark install` and `uninstall`: the systemd unit that starts this fleet at boot and restarts MARK
 * itself. Never stops or starts a module, and never touches the unit of another fleet.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MarkError } from '../../core/errors.ts'
import { neverUp } from '../../core/keeper-state.ts'
import { type Plan, startedSpecs } from '../../core/plan.ts'
import { systemdUnit, unitName } from '../../core/systemd-unit.ts'
import { writeAtomic, writeChecked } from '../../host/atomic-file.ts'
import { readSecretsEnv, writeSecretsEnv } from '../../host/environment.ts'
import { findOnPath } from '../../host/inspect.ts'
import { runCommand } from '../../host/launch.ts'
import { loadLibc } from '../../host/libc.ts'
import { lockHolder } from '../../host/lock-holder.ts'
import { makeStateDir } from '../../host/make-state-dir.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { CliContext } from '../context.ts'
import { isDeserted, readDisk } from '../disk.ts'
import {
  activeState,
  type InstalledUnit,
  installedUnit,
  systemctl,
  systemdRuns,
  type UnitScope,
  unitDir,
} from '../installed-unit.ts'
import { ensureKeeper, keeperArgv } from '../keeper-start.ts'
import { callerSecrets, loadPlan } from '../load-plan.ts'

/** How long systemd may take to see that its keeper is gone. */
const LET_GO_MS = 5_000

export async function install(
  context: CliContext,
  asked: UnitScope | null,
  printOnly: boolean,
): Promise<number> {
  const scope = asked ?? defaultScope(context)
  const { plan } = await loadPlan(context)
  const text = unitOf(context, plan, scope, await knowsSubgroups())
  if (printOnly) {
    context.write(text)
    return 0
  }
  proveSystemd(context, scope)
  const state = context.stateDir()
  const unit = ownUnit(context, plan, scope, state)
  makeStateDir(state)
  seedPlan(context, state, plan)
  mkdirSync(dirname(unit.file), { recursive: true, mode: 0o755 })
  writeAtomic(unit.file, text, { mode: 0o644, fsync: true })
  await systemctl(scope, 'daemon-reload')
  await systemctl(scope, 'enable', unit.name)
  context.note(`wrote ${unit.file} and enabled it: the fleet starts at boot.`)
  context.note(await nextStep(unit, state))
  if (scope === 'user')
    context.note(`so that it runs without a login: loginctl enable-linger ${context.user}`)
  return 0
}

export async function uninstall(context: CliContext, asked: UnitScope | null): Promise<number> {
  const scope = asked ?? defaultScope(context)
  const { plan } = await loadPlan(context)
  const state = context.stateDir()
  const unit = fileOf(context, plan, scope)
  if (!existsSync(unit.file)) {
    throw new MarkError(
      'MARK_NOT_INSTALLED',
      `There is no ${unit.file}.`,
      'nothing to remove; --user and --system are two places.',
    )
  }
  proveSystemd(context, scope)
  ownUnit(context, plan, scope, state)
  await systemctl(scope, 'disable', unit.name)
  if ((await activeState(unit)) === 'active') await takeFromSystemd(unit)
  rmSync(unit.file, { force: true })
  await systemctl(scope, 'daemon-reload')
  if (isDeserted(readDisk(state))) (await ensureKeeper(context, 'hand')).close()
  context.note(`removed ${unit.file}. What runs goes on; \`mark down\` stops it.`)
  return 0
}

function defaultScope(context: CliContext): UnitScope {
  return context.uid === 0 ? 'system' : 'user'
}

/** systemd 254 and later put a unit's process into a group below the unit's own. */
async function knowsSubgroups(): Promise<boolean> {
  const { stdout } = await runCommand(['systemctl', '--version'], 2_000)
  return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0) >= 254
}

function unitOf(context: CliContext, plan: Plan, scope: UnitScope, subgroup: boolean): string {
  const state = context.stateDir()
  const path = context.env.PATH ?? '/usr/local/bin:/usr/bin:/bin'
  const flock = findOnPath('flock', path)
  if (flock === null)
    throw new MarkError(
      'MARK_UNSUPPORTED',
      'flock is not here, and the unit needs it.',
      'install util-linux.',
    )
  if (loadLibc() === null)
    throw new MarkError(
      'MARK_UNSUPPORTED',
      'koffi cannot be loaded here, and without it systemd never hears that MARK is ready.',
      'reinstall mark-keeper with its dependencies.',
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
    subgroup,
  })
}

/** Every module waiting for the one before it, each with its hooks: nothing takes longer. */
function stopMs(plan: Plan): number {
  const HOOK_MS = 30_000
  return startedSpecs(plan).reduce((sum, { stop }) => {
    const hooks = (stop.before === null ? 0 : HOOK_MS) + (stop.verify === null ? 0 : HOOK_MS)
    return sum + stop.graceMs + hooks
  }, 0)
}

function fileOf(context: CliContext, plan: Plan, scope: UnitScope): InstalledUnit {
  const name = unitName(plan.fleet)
  return { scope, name, file: join(unitDir(context.env, scope), name) }
}

/** Its unit, there or not. Throws MARK_REFUSED when that name belongs to another fleet. */
function ownUnit(context: CliContext, plan: Plan, scope: UnitScope, state: StateDir): InstalledUnit {
  const unit = fileOf(context, plan, scope)
  if (!existsSync(unit.file) || installedUnit(context, state.keeperLock)?.file === unit.file) return unit
  throw new MarkError(
    'MARK_REFUSED',
    `${unit.file} is of another fleet that is called ${plan.fleet} too, or of another --state-dir.`,
    'give this one another `name:`, or run `mark uninstall` there.',
  )
}

function proveSystemd(context: CliContext, scope: UnitScope): void {
  if (!systemdRuns()) {
    const hint = '`mark install --print` shows the unit; a container runs `mark up` in the foreground.'
    throw new MarkError('MARK_UNSUPPORTED', 'systemd does not run on this host.', hint)
  }
  if (scope === 'system' && context.uid !== 0) {
    throw new MarkError('MARK_NEEDS_ROOT', 'A system unit needs root.', 'use sudo, or `mark install --user`.')
  }
}

/** A boot repeats the last `up`. Where there was none, it starts the fleet as it was proven here. */
function seedPlan(context: CliContext, state: StateDir, plan: Plan): void {
  const { children, keeperPid } = readDisk(state)
  if (keeperPid !== null || children?.open === true || !neverUp(children?.children ?? {})) return
  writeChecked(state.plan, plan, { mode: 0o600, fsync: true, keepBackup: true })
  writeSecretsEnv(state, { ...readSecretsEnv(state), ...callerSecrets(plan, context.env) })
}

async function nextStep(unit: InstalledUnit, state: StateDir): Promise<string> {
  if ((await activeState(unit)) === 'active') return 'it runs under systemd now and goes on.'
  const start = `systemctl ${unit.scope === 'user' ? '--user ' : ''}start ${unit.name}`
  return lockHolder(state.keeperLock) === null
    ? `start it now: ${start}`
    : `a keeper started by hand has this fleet; to hand it to systemd: mark down && ${start}`
}

/**
 * systemd's keeper has no successor, and what systemd no longer has a unit for it would kill with all that it
 * started. So the unit lets go of its keeper, and one with a successor adopts the modules afterwards.
 */
async function takeFromSystemd(unit: InstalledUnit): Promise<void> {
  const text = readFileSync(unit.file, 'utf8').replace(/^Restart=.*$/m, 'Restart=no')
  writeAtomic(unit.file, text, { mode: 0o644, fsync: true })
  await systemctl(unit.scope, 'daemon-reload')
  await systemctl(unit.scope, 'kill', '--kill-who=main', '--signal=SIGKILL', unit.name)
  const deadline = performance.now() + LET_GO_MS
  while ((await activeState(unit)) !== 'failed' && performance.now() < deadline) await delay(50)
  await systemctl(unit.scope, 'reset-failed', unit.name)
}
