/**
 * A run in control groups of its own, started as the keeper starts one, for one test; and the nastiest
 * program that a run may be. Whether anything of it is left is told by two witnesses that know nothing of
 * MARK: the pipe that all of it inherited, and /proc.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { type TrampolineSpec, trampoline } from '../../src/core/trampoline.ts'
import { Cgroups } from '../../src/host/cgroup.ts'
import type { RunLimits } from '../../src/host/cgroup-limits.ts'
import type { Libc } from '../../src/host/libc.ts'
import { trampolineTools } from '../../src/host/trampoline-tools.ts'
import { ulid } from '../../src/host/ulid.ts'

/**
 * Forks every 10 ms a daemon that has a session of its own and no parent; hands itself on to a successor
 * every fifth time; all of it ignores what can be ignored, has another name and no environment.
 */
export const NASTY = `
use POSIX ();
sub hide { %ENV = (); $0 = "kworker/u8:1"; $SIG{$_} = "IGNORE" for qw(TERM INT HUP QUIT CHLD) }
hide();
for my $round (1 .. 500) {
  if (!fork) { POSIX::setsid(); exit if fork; hide(); sleep 600; exit }
  if ($round % 5 == 0) { exit if fork; POSIX::setsid() }
  select undef, undef, undef, 0.01;
}
sleep 600`

export type Sight = 'all' | 'version 1' | 'no freezer'

/** The host's groups as if some of them were not there. */
export function groupsSeen(key: string, sight: Sight, libc: Libc | null): Cgroups {
  const hidden = { all: /^$/, 'version 1': / - cgroup2 /, 'no freezer': / - cgroup2 | - cgroup .*freezer/ }[
    sight
  ]
  return Cgroups.open({
    key,
    libc,
    proc: (pid, name) => {
      try {
        const lines = readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\n')
        return lines.filter(line => name !== 'mountinfo' || !hidden.test(line)).join('\n')
      } catch {
        return null
      }
    },
  })
}

export class ContainedRun {
  readonly runId = ulid(Date.now(), randomBytes)
  readonly pid: number
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  said = ''
  #open = true

  constructor(
    groups: Cgroups,
    limits: Partial<RunLimits>,
    spec: Partial<TrampolineSpec> & Pick<TrampolineSpec, 'argv'>,
    env: Readonly<Record<string, string>> = { PATH: '/usr/bin:/bin' },
  ) {
    const made = groups.make(this.runId, { memoryBytes: null, cpus: null, pids: null, ...limits })
    if (!made.ok) throw new Error(made.why)
    const [file, ...args] = trampoline({
      user: null,
      umask: null,
      ulimits: {},
      join: made.join,
      tools: trampolineTools(),
      variables: Object.keys(env),
      ...spec,
    })
    const child = spawn(file as string, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env })
    this.pid = child.pid as number
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', text => {
        this.said += text
      })
    this.ended = new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })))
    child.once('close', () => {
      this.#open = false
    })
  }

  /** Has every process that inherited its output ended? */
  get silent(): boolean {
    return !this.#open
  }

  /** Processes that the kernel still counts to the run. */
  left(): number[] {
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(Number)
      .filter(pid => {
        try {
          const dead = /^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
          return !dead && readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(this.runId)
        } catch {
          return false
        }
      })
  }
}
