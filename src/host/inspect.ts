/**
 * What this host is: the raw facts behind `mark doctor`. Reads only; whatever cannot be found out is null.
 */
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { release } from 'node:os'
import { delimiter, join } from 'node:path'
import type { HostFacts } from '../core/diagnosis.ts'
import { Cgroups } from './cgroup.ts'
import { nameOfInit } from './init-role.ts'
import { runCommand } from './launch.ts'
import { loadLibc } from './libc.ts'

/** `dir`: where the state lies, or will lie. */
export async function inspectHost(dir: string, path: string): Promise<HostFacts> {
  const systemd = existsSync('/run/systemd/system')
  const [help, clock] = await Promise.all([
    runCommand(['flock', '--help'], 2_000),
    systemd ? runCommand(['timedatectl', 'show', '-p', 'NTPSynchronized', '--value'], 2_000) : null,
  ])
  const groups = Cgroups.open({ key: 'doctor', libc: null })
  return {
    kernel: release(),
    nodeVersion: process.versions.node,
    libcLoads: loadLibc() !== null,
    pidfd: opensPidfd(),
    flockNoFork: help.code === null && help.stdout === '' ? null : help.stdout.includes('--no-fork'),
    setpriv: findOnPath('setpriv', path),
    cgroup: groups.layout,
    limits: (['memory', 'cpus', 'pids'] as const).filter(limit => groups.can[limit]),
    ...diskFacts(dir),
    inotifyInstances: numberIn('/proc/sys/fs/inotify/max_user_instances'),
    inotifyWatches: numberIn('/proc/sys/fs/inotify/max_user_watches'),
    openFiles: openFileLimit(),
    systemd,
    clockSynchronized: clock?.code === 0 ? clock.stdout.trim() === 'yes' : null,
    container: containerKind(),
    init: nameOfInit(),
    mayTrace: mayTrace(),
    tasks: taskLimit(),
  }
}

export function findOnPath(name: string, path: string): string | null {
  for (const dir of path.split(delimiter)) {
    if (dir !== '' && existsSync(join(dir, name))) return join(dir, name)
  }
  return null
}

function opensPidfd(): boolean {
  try {
    const libc = loadLibc()
    const fd = libc?.pidfdOpen(process.pid) ?? null
    if (fd !== null) libc?.close(fd)
    return fd !== null
  } catch {
    return false
  }
}

/** Each engine leaves a file or a variable of process 1. */
function containerKind(): string | null {
  if (existsSync('/.dockerenv')) return 'docker'
  if (existsSync('/run/.containerenv')) return 'podman'
  if (existsSync('/var/run/secrets/kubernetes.io')) return 'kubernetes'
  return /(?:^|\0)container=([\w-]+)/.exec(read('/proc/1/environ') ?? '')?.[1] ?? null
}

const CAP_SYS_PTRACE = 19n

function mayTrace(): boolean {
  const set = /^CapEff:\t([0-9a-f]+)/m.exec(read('/proc/self/status') ?? '')?.[1]
  return set !== undefined && ((BigInt(`0x${set}`) >> CAP_SYS_PTRACE) & 1n) === 1n
}

/** As a container sees its own cgroup; null: no limit, or none that is shown. */
function taskLimit(): number | null {
  const text = read('/sys/fs/cgroup/pids.max') ?? read('/sys/fs/cgroup/pids/pids.max')
  const limit = Number(text?.trim())
  return text !== null && Number.isSafeInteger(limit) ? limit : null
}

const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlay',
  26985: 'nfs',
  801189825: 'zfs',
  1702057286: 'fuse',
  4283649346: 'cifs',
}

function diskFacts(dir: string): { fileSystem: string | null; freeBytes: number | null } {
  try {
    const facts = statfsSync(dir)
    return {
      fileSystem: FILE_SYSTEMS[facts.type >>> 0] ?? `0x${(facts.type >>> 0).toString(16)}`,
      freeBytes: facts.bavail * facts.bsize,
    }
  } catch {
    return { fileSystem: null, freeBytes: null }
  }
}

function numberIn(path: string): number | null {
  const text = read(path)
  return text === null ? null : Number(text.trim())
}

function openFileLimit(): number | null {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1]
  return hard === undefined || hard === 'unlimited' ? null : Number(hard)
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
