/**
 * What a host's facts mean for MARK: each a verdict and a sentence that says what is lost and what to do.
 * Pure.
 */
export type Verdict = 'ok' | 'degraded' | 'missing'

export interface Finding {
  readonly check: string
  readonly verdict: Verdict
  readonly text: string
}

/** What a host is, as it shows itself; null: it does not. */
export interface HostFacts {
  readonly kernel: string
  readonly nodeVersion: string
  readonly libcLoads: boolean
  readonly pidfd: boolean
  /** `flock -F` of util-linux: replaces itself by what it locks for. */
  readonly flockNoFork: boolean | null
  readonly setpriv: string | null
  readonly cgroup: 'v2' | 'hybrid' | 'v1' | 'none'
  /** Which of `limits:` can be kept here, now, by this account. */
  readonly limits: readonly ('memory' | 'cpus' | 'pids')[]
  readonly fileSystem: string | null
  readonly freeBytes: number | null
  readonly inotifyInstances: number | null
  readonly inotifyWatches: number | null
  readonly openFiles: number | null
  readonly systemd: boolean
  /** null: nobody on this host tells. */
  readonly clockSynchronized: boolean | null
  /** What kind of container this is; null: none that shows itself. */
  readonly container: string | null
  /** Name of process 1. */
  readonly init: string | null
  /** CAP_SYS_PTRACE: root without it sees neither exits nor environments of other users' processes. */
  readonly mayTrace: boolean
  /** Most tasks that may live here at once. */
  readonly tasks: number | null
}

export interface Facts extends HostFacts {
  readonly pinned: boolean
  readonly root: boolean
  /** Why others could change what runs here; null: they cannot. */
  readonly unsafe: string | null
}

export function diagnose(facts: Facts): Finding[] {
  return [
    ...processFindings(facts),
    ...containerFindings(facts),
    ...resourceFindings(facts),
    ...placeFindings(facts),
  ]
}

function processFindings(facts: Facts): Finding[] {
  const { kernel } = facts
  const found: Finding[] = []
  const say = (check: string, verdict: Verdict, text: string): void =>
    void found.push({ check, verdict, text })
  if (!atLeast(kernel, 5, 14))
    say('kernel', 'missing', `Linux ${kernel} is older than 5.14, which MARK needs.`)
  else if (!atLeast(kernel, 6, 15))
    say(
      'kernel',
      'degraded',
      `Linux ${kernel}: below 6.15 the exit of a run that outlived its keeper may stay unknown.`,
    )
  else say('kernel', 'ok', `Linux ${kernel}.`)
  const origin = facts.pinned
    ? 'the one that came with MARK'
    : "the host's own: upgrades of it change what the keeper runs on"
  say(
    'node',
    atLeast(facts.nodeVersion, 24, 0) ? (facts.pinned ? 'ok' : 'degraded') : 'missing',
    `Node ${facts.nodeVersion}, ${origin}.`,
  )
  if (facts.libcLoads) say('koffi', 'ok', 'libc calls work.')
  else
    say(
      'koffi',
      'degraded',
      'koffi cannot be loaded: no sd_notify, no pidfds, no log ring, no upgrade in place, no real money. ' +
        'Reinstall mark-keeper.',
    )
  if (facts.pidfd) say('pidfd', 'ok', 'processes are held by pidfd.')
  else say('pidfd', 'degraded', 'no pidfds: adopted runs are watched through /proc.')
  if (facts.flockNoFork === true) say('flock', 'ok', 'flock -F is here.')
  else if (facts.flockNoFork === null)
    say('flock', 'missing', 'flock is not here, and no keeper can be started without it: install util-linux.')
  else say('flock', 'missing', 'this flock has no -F (--no-fork): install the one of util-linux.')
  if (facts.setpriv !== null) say('setpriv', 'ok', `${facts.setpriv}.`)
  else
    say(
      'setpriv',
      facts.root ? 'degraded' : 'ok',
      'setpriv is not here: modules with `user:` cannot start (util-linux has it).',
    )
  return found
}

/** Nothing where there is no container. */
function containerFindings(facts: Facts): Finding[] {
  if (facts.container === null) return []
  const found: Finding[] = []
  const say = (check: string, verdict: Verdict, text: string): void =>
    void found.push({ check, verdict, text })
  const init = facts.init ?? 'unknown'
  if (/^(?:sh|bash|dash|ash)$/.test(init))
    say('process 1', 'degraded', `${init}: it passes no signal on. Start MARK with \`exec mark up\`.`)
  else say('process 1', 'ok', `${init}, in a container (${facts.container}).`)
  if (facts.root && !facts.mayTrace)
    say(
      'ptrace',
      'degraded',
      'CAP_SYS_PTRACE is missing: of modules with `user:` less can be seen. Give it: cap_add: [SYS_PTRACE].',
    )
  if (facts.tasks !== null && facts.tasks < MANY_TASKS)
    say('tasks', 'degraded', `at most ${facts.tasks}: MARK itself needs about 50. Raise pids_limit.`)
  return found
}

const LOG_WAYS: Readonly<Record<string, string>> = {
  ext4: 'cut at the front while they are written to.',
  xfs: 'cut at the front while they are written to.',
  btrfs: 'kept within bounds by holes at their front: `du` tells their size, `ls` does not.',
  tmpfs: 'kept within bounds by holes at their front: `du` tells their size, `ls` does not.',
}

/** Node has about a dozen threads a process, and MARK is three of them and a command now and then. */
const MANY_TASKS = 100

function resourceFindings(facts: Facts): Finding[] {
  const found: Finding[] = []
  const say = (check: string, verdict: Verdict, text: string): void =>
    void found.push({ check, verdict, text })
  const lacking = (['memory', 'cpus', 'pids'] as const).filter(limit => !facts.limits.includes(limit))
  if (lacking.length === 0) say('limits', 'ok', `memory, cpus and pids by cgroup ${facts.cgroup}.`)
  else
    say('limits', 'degraded', `cgroup ${facts.cgroup}: it cannot limit ${lacking.join(', ')} for you here.`)
  const way = LOG_WAYS[facts.fileSystem ?? '']
  if (!facts.libcLoads || way === undefined)
    say('logs', 'degraded', 'a log is cut only when its module starts anew, not while it runs.')
  else say('logs', 'ok', way)
  const { inotifyInstances: instances, inotifyWatches: watches } = facts
  if (instances === null || watches === null)
    say('inotify', 'degraded', 'inotify cannot be looked at: files are looked at each second instead.')
  else if (instances < 64 || watches < 4096)
    say(
      'inotify',
      'degraded',
      `only ${instances} instances and ${watches} watches: raise fs.inotify.max_user_*.`,
    )
  else say('inotify', 'ok', `${instances} instances, ${watches} watches.`)
  if (facts.openFiles !== null && facts.openFiles < 4096)
    say(
      'open files',
      'degraded',
      `at most ${facts.openFiles} open files: enough for about ${Math.floor(facts.openFiles / 16)} modules.`,
    )
  else say('open files', 'ok', facts.openFiles === null ? 'no limit.' : `up to ${facts.openFiles}.`)
  if (facts.clockSynchronized === true) say('clock', 'ok', 'synchronised.')
  else if (facts.clockSynchronized === false)
    say(
      'clock',
      'degraded',
      'not synchronised: exchanges refuse orders of a clock that is off. Enable systemd-timesyncd or chrony.',
    )
  else say('clock', 'degraded', 'nobody here tells whether the clock is synchronised.')
  return found
}

function placeFindings(facts: Facts): Finding[] {
  const found: Finding[] = []
  const say = (check: string, verdict: Verdict, text: string): void =>
    void found.push({ check, verdict, text })
  const kind = facts.fileSystem
  if (kind === 'ext4' || kind === 'xfs') say('file system', 'ok', `${kind}.`)
  else if (kind === 'nfs' || kind === 'cifs')
    say(
      'file system',
      'missing',
      `${kind}: locks and appends are not safe there. Use a local disk: --state-dir.`,
    )
  else
    say(
      'file system',
      'degraded',
      `${kind ?? 'unknown'}: logs are cut by punching holes instead of collapsing.`,
    )
  if (facts.freeBytes !== null && facts.freeBytes < 512 * 1024 ** 2)
    say('free space', 'degraded', `only ${Math.floor(facts.freeBytes / 1024 ** 2)} MB are free.`)
  else
    say(
      'free space',
      'ok',
      facts.freeBytes === null ? 'unknown.' : `${Math.floor(facts.freeBytes / 1024 ** 2)} MB are free.`,
    )
  if (facts.unsafe !== null) say('permissions', 'missing', facts.unsafe)
  else say('permissions', 'ok', 'nobody else can change what runs here.')
  if (facts.container !== null && !facts.systemd)
    say('at boot', 'ok', 'the restart policy of the container starts the fleet.')
  else if (facts.systemd) say('systemd', 'ok', 'runs here: `mark install` starts the fleet at boot.')
  else say('systemd', 'degraded', 'does not run here: nothing starts the fleet after a reboot by itself.')
  return found
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split(/[.-]/).map(Number)
  return a > major || (a === major && b >= minor)
}
