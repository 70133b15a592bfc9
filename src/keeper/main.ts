/**
 * Process 1. Started under `flock -F keeper.lock` by a command, by systemd, as the armed successor, or by a
 * keeper of another version in its own place; holds that lock for its whole life. Never ends on a shortage;
 * when it does end, the kernel starts its successor.
 */
import { rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { parseArgs } from 'node:util'
import { DAEMON } from '../core/child-name.ts'
import { isLive } from '../core/child.ts'
import { daemonSpec } from '../core/daemon-spec.ts'
import { claimStateDir } from '../host/claim-state-dir.ts'
import { favourSeldomCode } from '../host/engine-flags.ts'
import { takeFailpoints } from '../host/failpoints.ts'
import { watchKillFile } from '../host/kill-file.ts'
import { loadLibc } from '../host/libc.ts'
import { shieldFromOom } from '../host/oom-score.ts'
import { endWaiters, holdsLock } from '../host/lock-holder.ts'
import { daemonArgv, definedIn, ownVersion, successorArgv } from '../host/own-program.ts'
import { argvOf } from '../host/proc-argv.ts'
import { prove } from '../host/prove-version.ts'
import { RehearsalStage } from '../host/rehearsal-stage.ts'
import type { StateDir } from '../host/state-dir.ts'
import { Keeper } from './keeper.ts'
import { LinuxWorld } from '../host/linux-world.ts'
import { KeeperServer } from './server.ts'
import { SystemdNotifier } from '../host/systemd.ts'
import { hasUpCall } from '../host/up-call.ts'
import { Successor } from '../host/successor.ts'
import { UpgradeInPlace } from '../host/upgrade-in-place.ts'
import { rehearseOnceStarted } from './rehearsal.ts'
import { upgradesOf } from './upgrade.ts'

/** A keeper that was started for a call that never came ends after this long. */
const IDLE_EXIT_MS = 60_000
const FLUSH_CACHE_MS = 10_000

const { values } = parseArgs({
  options: {
    'state-dir': { type: 'string' },
    'no-successor': { type: 'boolean' },
    boot: { type: 'boolean' },
    probe: { type: 'boolean' },
    'upgraded-from': { type: 'string' },
    'upgraded-by': { type: 'string' },
  },
})
const dir = values['state-dir'] ?? fail('--state-dir is missing')
if (values.probe) process.exit(prove(dir))
await main(dir, values['no-successor'] === true)

async function main(dir: string, alone: boolean): Promise<void> {
  process.umask(0o022)
  favourSeldomCode()
  const state = claimStateDir(dir, process.env)
  if (!holdsLock(state.keeperLock)) fail('the keeper must be started under its lock: use `mark up`')
  const libc = loadLibc()
  libc?.setCloexecFrom(3)
  libc?.setSubreaper()
  shieldFromOom(process.env)
  const failpoints = takeFailpoints(process.env)
  const environment = definedIn(process.env)
  const given = { cwd: state.dir, env: environment, logFile: state.keeperLog }
  const successor = new Successor(successorArgv(state), given)
  // Armed before anything else: from here on a death has an heir.
  if (!alone) successor.arm()
  const systemd = new SystemdNotifier(libc, process.env)
  const server = new KeeperServer()
  const credentialsDir = process.env.CREDENTIALS_DIRECTORY
  const world = failpoints(new LinuxWorld({ state, libc, version: ownVersion(), credentialsDir, leave }))
  process.on('SIGCHLD', () => world.childChanged())
  world.processes.others = () => successor.pids
  const bornMs = world.now().monoMs
  const keeper = new Keeper(world, server, {
    daemon: daemonSpec(daemonArgv(state), state.dir, environment),
    boot: values.boot === true && !hasUpCall(state),
  })
  const upgrade = new UpgradeInPlace({
    ...{ world, libc, state, systemd, environment, args: alone ? ['--no-successor'] : [] },
    ...upgradesOf(keeper.engine),
  })
  world.processes.others = () => [...successor.pids, ...upgrade.pids]
  keeper.world.upgrade = order => upgrade.begin(order)
  world.listen(keeper)
  hearSignals(keeper)
  // Of an earlier keeper's children some may have ended before this one could hear of it.
  world.childChanged()
  noteUpgrade(keeper)
  replaceDaemon(keeper, state, bornMs)
  watchKillFile(state, () => keeper.killFile())
  server.serve(keeper.engine, { hello: () => keeper.settleDoubts(), left: () => {} })
  settleInTime(keeper, world)
  await server.listen(state.keeperSocket)
  // Heirs of the keeper before: where two wait, the lock lets one in, and that one ends the other.
  if (libc && !alone) endWaiters(state.keeperLock, successor.pids, libc)
  rehearseOnceStarted(keeper.engine, () => new RehearsalStage(state.socketDir, world))
  systemd.ready(`keeps the fleet of ${state.dir}`)
  setTimeout(() => keeper.idle && leave(), IDLE_EXIT_MS).unref()
  // A keeper that is killed would never save what it compiled, and its successor would compile it anew.
  setTimeout(flushCompileCache, FLUSH_CACHE_MS).unref()

  function leave(): void {
    systemd.stopping()
    successor.disarm()
    if (libc) endWaiters(state.keeperLock, [], libc)
    world.close()
    server.flush()
    for (const path of [state.socketDir, state.runLink]) rmSync(path, { recursive: true, force: true })
    process.exit(0)
  }
}

function hearSignals(keeper: Keeper): void {
  for (const signal of ['SIGPIPE', 'SIGHUP'] as const) process.on(signal, () => {})
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => keeper.askDown(`${signal} to the keeper`))
}

function noteUpgrade(keeper: Keeper): void {
  const { 'upgraded-from': from, 'upgraded-by': by } = values
  if (from !== undefined)
    keeper.engine.note('upgraded', null, null, { from, to: keeper.world.version, by: by ?? 'unknown' })
}

/** A daemon of another version than the keeper is not left running. Its own may not have its program yet. */
function replaceDaemon(keeper: Keeper, state: StateDir, bornMs: number): void {
  const child = keeper.engine.children.get(DAEMON)
  const pid = child?.run?.pid ?? null
  if (!child?.run || !isLive(child) || pid === null || child.run.started.monoMs >= bornMs) return
  const same = argvOf(pid)?.join('\0') === daemonArgv(state).join('\0')
  if (same && values['upgraded-from'] === undefined) return
  const then = { kind: 'start', why: 'reload' } as const
  keeper.engine.feed(DAEMON, { kind: 'stop', then, by: 'keeper', why: 'it is of another version' })
}

function settleInTime(keeper: Keeper, world: LinuxWorld): void {
  const untilMs = keeper.doubtsUntilMs
  if (untilMs !== null) setTimeout(() => keeper.settleDoubts(), Math.max(0, untilMs - world.now().monoMs))
}

function fail(why: string): never {
  process.stderr.write(`error[MARK_INTERNAL]: ${why}.\n`)
  process.exit(1)
}
