/**
 * Process 1. Started under `flock -F keeper.lock` by a command, by systemd or as the armed successor; holds
 * that lock for its whole life. Never ends on a shortage; when it does end, the kernel starts its successor.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  watch,
  accessSync,
  constants,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { daemonSpec } from '../core/daemon-spec.ts'
import { loadLibc } from '../host/libc.ts'
import { lockHolder } from '../host/lock-holder.ts'
import { makeStateDir } from '../host/make-state-dir.ts'
import { socketDirFor, type StateDir, stateDirAt } from '../host/state-dir.ts'
import { Keeper } from './keeper.ts'
import { LinuxWorld } from '../host/linux-world.ts'
import { KeeperServer } from './server.ts'
import { SystemdNotifier } from '../host/systemd.ts'
import { hasUpCall } from '../host/up-call.ts'
import { Successor } from './successor.ts'

/** A keeper that was started for a call that never came ends after this long. */
const IDLE_EXIT_MS = 60_000

const { values } = parseArgs({
  options: {
    'state-dir': { type: 'string' },
    'no-successor': { type: 'boolean' },
    boot: { type: 'boolean' },
  },
})
await main(values['state-dir'] ?? '', { alone: values['no-successor'] === true, boot: values.boot === true })

async function main(dir: string, { alone, boot }: { alone: boolean; boot: boolean }): Promise<void> {
  process.umask(0o022)
  const state = openStateDir(dir)
  if (lockHolder(state.keeperLock) !== process.pid)
    fail('the keeper must be started under its lock: use `mark up`')
  const libc = loadLibc()
  libc?.setCloexecFrom(3)
  libc?.setSubreaper()
  const environment = ownEnvironment()
  // Armed before anything else: from here on a death has an heir.
  const successor = new Successor(successorArgv(state), {
    cwd: state.dir,
    env: environment,
    logFile: state.keeperLog,
  })
  if (!alone) successor.arm()
  const systemd = new SystemdNotifier(libc, process.env)
  const server = new KeeperServer()
  const world = new LinuxWorld({
    state,
    libc,
    version: version(),
    credentialsDir: process.env.CREDENTIALS_DIRECTORY,
    leave,
  })
  world.processes.others = () => successor.pids
  process.on('SIGCHLD', () => world.childChanged())
  process.on('SIGPIPE', () => {})
  process.on('SIGHUP', () => {})
  const keeper = new Keeper(world, server, {
    daemon: daemonSpec(daemonArgv(state), state.dir, environment),
    boot: boot && !hasUpCall(state),
  })
  world.listen(keeper)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => keeper.askDown(`${signal} to the keeper`))
  }
  watchKillFile(state, keeper)
  server.serve(keeper.engine, { hello: () => keeper.settleDoubts(), left: () => {} })
  settleInTime(keeper, world)
  await server.listen(state.keeperSocket)
  systemd.ready(`keeps the fleet of ${state.dir}`)
  setTimeout(() => keeper.idle && leave(), IDLE_EXIT_MS).unref()

  function leave(): void {
    systemd.stopping()
    successor.disarm()
    world.close()
    rmSync(state.socketDir, { recursive: true, force: true })
    rmSync(state.runLink, { force: true })
    process.exit(0)
  }
}

function openStateDir(dir: string): StateDir {
  if (dir === '') fail('--state-dir is missing')
  const linked = join(dir, 'run')
  const known = isLink(linked) ? readlinkSync(linked) : null
  const uid = process.getuid?.() ?? 0
  const socketDir = known ?? socketDirFor(dir, { xdgRuntimeDir: process.env.XDG_RUNTIME_DIR, uid }, canWrite)
  const state = stateDirAt(dir, socketDir)
  makeStateDir(state)
  mkdirSync(dirname(socketDir), { recursive: true, mode: 0o711 })
  mkdirSync(socketDir, { recursive: true, mode: 0o711 })
  if (known === null) {
    rmSync(linked, { force: true, recursive: true })
    symlinkSync(socketDir, linked)
  }
  return state
}

function watchKillFile(state: StateDir, keeper: Keeper): void {
  const look = (): void => {
    if (existsSync(state.killFile)) keeper.killFile()
  }
  const poll = (): unknown => setInterval(look, 500).unref()
  try {
    const watcher = watch(state.dir, (_kind, name) => {
      if (name === basename(state.killFile)) look()
    })
    watcher.on('error', poll)
  } catch {
    poll()
  }
}

function settleInTime(keeper: Keeper, world: LinuxWorld): void {
  const untilMs = keeper.doubtsUntilMs
  if (untilMs !== null) setTimeout(() => keeper.settleDoubts(), Math.max(0, untilMs - world.now().monoMs))
}

function successorArgv(state: StateDir): [string, ...string[]] {
  return [
    'flock',
    '-F',
    state.keeperLock,
    process.execPath,
    fileURLToPath(import.meta.url),
    '--state-dir',
    state.dir,
  ]
}

function daemonArgv(state: StateDir): string[] {
  const source = new URL('../daemon/main.ts', import.meta.url)
  const file = existsSync(source) ? source : new URL('../daemon/main.js', import.meta.url)
  return [process.execPath, fileURLToPath(file), '--state-dir', state.dir]
}

function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

function version(): string {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url))
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function canWrite(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function fail(why: string): never {
  process.stderr.write(`error[MARK_INTERNAL]: ${why}.\n`)
  process.exit(1)
}
