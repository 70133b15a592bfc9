/**
 * Where everything lies (SPEC 2): one object of paths for one state directory. Creates and opens nothing.
 */
import { join } from 'node:path'

export interface StateDir {
  readonly dir: string
  readonly keeperLock: string
  readonly runLink: string
  readonly plan: string
  readonly children: string
  readonly runs: string
  readonly journal: string
  readonly latchDir: string
  readonly killLock: string
  readonly killFile: string
  readonly haltDir: string
  readonly pauseDir: string
  readonly archive: string
  readonly audit: string
  readonly logs: string
  readonly state: string
  readonly pids: string
  readonly secretsEnv: string
  readonly linkKey: string
  readonly keeperLog: string
  readonly daemonLog: string
  /** Sockets, reached through the link `run`; kept short because of the 107-byte limit. */
  readonly keeperSocket: string
  readonly daemonSocket: string
  readonly socketDir: string
}

/** `socketDir`: what `run` links to, see `socketDirFor`. */
export function stateDirAt(dir: string, socketDir: string): StateDir {
  const at = (name: string): string => join(dir, name)
  return {
    dir,
    keeperLock: at('keeper.lock'),
    runLink: at('run'),
    plan: at('plan.json'),
    children: at('children.json'),
    runs: at('runs'),
    journal: at('events.journal'),
    latchDir: at('kill.latch'),
    killLock: at('kill.lock'),
    killFile: at('KILL'),
    haltDir: at('halt'),
    pauseDir: at('paused'),
    archive: at('archive.db'),
    audit: at('audit.jsonl'),
    logs: at('logs'),
    state: at('state'),
    pids: at('pids'),
    secretsEnv: at('secrets.env'),
    linkKey: at('link.key'),
    keeperLog: at('keeper.log'),
    daemonLog: at('daemon.log'),
    socketDir,
    keeperSocket: join(socketDir, 'keeper.sock'),
    daemonSocket: join(socketDir, 'daemon.sock'),
  }
}

/**
 * Directory of the sockets for a state directory: $XDG_RUNTIME_DIR/mark/<hash>, /run/mark/<hash> for root,
 * else /tmp/mark-<uid>/<hash>. `canWrite` says whether a directory exists and can be written to.
 */
export function socketDirFor(
  stateDir: string,
  env: { readonly xdgRuntimeDir: string | undefined; readonly uid: number },
  canWrite: (dir: string) => boolean,
): string {
  // Loaded here: an import costs every command 5 ms, and most find the link that a keeper made.
  const { createHash } = process.getBuiltinModule('node:crypto')
  const hash = createHash('sha256').update(stateDir).digest('hex').slice(0, 12)
  if (env.uid === 0 && canWrite('/run')) return `/run/mark/${hash}`
  if (env.xdgRuntimeDir && canWrite(env.xdgRuntimeDir)) return join(env.xdgRuntimeDir, 'mark', hash)
  return `/tmp/mark-${env.uid}/${hash}`
}
