/**
 * A real systemd as process 1 of its own pid, mount, cgroup, ipc and host name namespaces, for one test. /etc
 * and /proc/sys are read-only in there, /run and the system's units are its own, so it changes nothing of
 * this host. It dies with the test, whatever happens.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { cleanEnv, type Ended, until } from './fleet.ts'

const TOOLS = ['unshare', 'nsenter', 'setpriv', 'mount', 'systemctl', 'systemd-analyze'] as const
const NAMESPACES = [
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--cgroup',
  '--uts',
  '--ipc',
  '--mount-proc',
]
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const CALL_MS = 30_000

/** Enough of a system for units with default dependencies. */
const TARGETS = ['sysinit', 'basic', 'shutdown', 'multi-user', 'network-online', 'time-sync']

/** $1: its units; $2: the systemd. */
const INSIDE = `set -e
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /etc /etc
mount -o remount,bind,ro /etc
mount --bind "$1" /etc/systemd/system
mount -t tmpfs tmpfs /run
mount -t cgroup2 none /sys/fs/cgroup
exec env -i container=other PATH=${PATH} SYSTEMD_UNIT_PATH=/etc/systemd/system "$2" \
  --system --unit=multi-user.target --show-status=0 --log-level=info --log-target=console`

export class SystemdMachine {
  readonly units: string
  readonly #cgroup: string
  readonly #outside: ChildProcess
  readonly #ended: Promise<unknown>
  #log = ''

  /** Why no systemd can be started here; null: it can. */
  static whyNot(): string | null {
    if (process.getuid?.() !== 0) return 'a systemd of its own needs root'
    const missing = TOOLS.find(tool => !PATH.split(':').some(dir => existsSync(join(dir, tool))))
    if (missing !== undefined) return `${missing} is not installed`
    if (systemdBinary() === null) return 'systemd is not installed'
    if (!existsSync('/etc/machine-id')) return 'systemd needs /etc/machine-id'
    const root = cgroupRoot()
    if (root === null) return 'there is no cgroup v2 hierarchy'
    try {
      accessSync(root, constants.W_OK)
      execFileSync('unshare', [...NAMESPACES, 'mount', '-t', 'cgroup2', 'none', '/sys/fs/cgroup'], {
        stdio: 'pipe',
      })
      return null
    } catch (error) {
      return `no namespaces or cgroups may be made here: ${String((error as Error).message)
        .split('\n')
        .at(-1)}`
    }
  }

  /** `dir`: an empty directory for its units, which the test may write to. */
  constructor(dir: string) {
    this.units = dir
    mkdirSync(dir, { recursive: true })
    for (const name of TARGETS) writeFileSync(join(dir, `${name}.target`), '[Unit]\nDefaultDependencies=no\n')
    this.#cgroup = join(cgroupRoot() as string, `mark-test-${process.pid}`)
    mkdirSync(this.#cgroup)
    const argv = [...NAMESPACES, '/bin/sh', '-c', INSIDE, 'sh', dir, systemdBinary() as string]
    const join_ = 'echo $$ > "$0/cgroup.procs" && exec setpriv --pdeathsig KILL unshare "$@"'
    this.#outside = spawn('/bin/sh', ['-c', join_, this.#cgroup, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#outside.stdout, this.#outside.stderr])
      stream?.on('data', text => {
        this.#log = (this.#log + text).slice(-20_000)
      })
    this.#ended = new Promise(resolve => this.#outside.once('exit', resolve))
  }

  /** What systemd said. */
  get log(): string {
    return this.#log
  }

  async booted(): Promise<void> {
    await until('systemd runs', 15_000, async () => {
      if (this.#outside.exitCode !== null) throw new Error(`systemd ended: ${this.#log}`)
      return (
        this.#init() !== null && (await this.run('systemctl', 'is-system-running')).stdout === 'running\n'
      )
    })
  }

  /** Runs argv in there, as root, with a clean environment. */
  run(...argv: readonly string[]): Promise<Ended> {
    const init = this.#init()
    if (init === null) throw new Error(`systemd is gone: ${this.#log}`)
    const words = [
      '-t',
      String(init),
      '--mount',
      '--pid',
      '--cgroup',
      '--uts',
      '--ipc',
      '--wd=.',
      '--',
      ...argv,
    ]
    const began = performance.now()
    return new Promise(resolve => {
      const options = { env: cleanEnv({ PATH }), timeout: CALL_MS, killSignal: 'SIGKILL' } as const
      execFile('nsenter', words, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
        resolve({ code, stdout, stderr, tookMs: performance.now() - began })
      })
    })
  }

  /** One property of a unit, as `systemctl show` has it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run('systemctl', 'show', '--value', '-p', name, unit)).stdout.trim()
  }

  /** Ends it and all that ran in it. */
  async end(): Promise<void> {
    this.endNow()
    await this.#ended
    await until('its cgroups are gone', 5_000, () => this.#removeCgroups())
  }

  /** As far as a dying test can. */
  endNow(): void {
    const init = this.#init()
    if (init !== null) process.kill(init, 'SIGKILL')
    else this.#outside.kill('SIGKILL')
  }

  /** Its process 1, by its pid out here. */
  #init(): number | null {
    const { pid } = this.#outside
    if (pid === undefined || this.#outside.exitCode !== null) return null
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      return /^\d+$/.test(children) ? Number(children) : null
    } catch {
      return null
    }
  }

  #removeCgroups(): boolean {
    const remove = (dir: string): void => {
      for (const entry of readdirSync(dir, { withFileTypes: true }))
        if (entry.isDirectory()) remove(join(dir, entry.name))
      rmdirSync(dir)
    }
    try {
      if (existsSync(this.#cgroup)) remove(this.#cgroup)
      return true
    } catch {
      return false // what was killed is not gone yet
    }
  }
}

function systemdBinary(): string | null {
  return ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find(path => existsSync(path)) ?? null
}

function cgroupRoot(): string | null {
  const roots = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup']
  return roots.find(path => existsSync(join(path, 'cgroup.procs'))) ?? null
}
