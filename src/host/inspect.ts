/**
 * What this host is: the raw facts behind `mark doctor`. Reads only; whatever cannot be found out is null.
 */
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { release } from 'node:os'
import { delimiter, join } from 'node:path'
import { runCommand } from './launch.ts'
import { loadLibc } from './libc.ts'

export interface HostFacts {
  readonly kernel: string
  readonly nodeVersion: string
  readonly libcLoads: boolean
  readonly pidfd: boolean
  /** `flock -F` of util-linux: replaces itself by what it locks for. */
  readonly flockNoFork: boolean | null
  readonly setpriv: string | null
  readonly cgroup: 'v2' | 'hybrid' | 'v1' | 'none'
  readonly fileSystem: string | null
  readonly freeBytes: number | null
  readonly inotifyInstances: number | null
  readonly inotifyWatches: number | null
  readonly openFiles: number | null
  readonly systemd: boolean
  /** null: nobody on this host tells. */
  readonly clockSynchronized: boolean | null
}

/** `dir`: where the state lies, or will lie. */
export async function inspectHost(dir: string, path: string): Promise<HostFacts> {
  const systemd = existsSync('/run/systemd/system')
  const [help, clock] = await Promise.all([
    runCommand(['flock', '--help'], 2_000),
    systemd ? runCommand(['timedatectl', 'show', '-p', 'NTPSynchronized', '--value'], 2_000) : null,
  ])
  return {
    kernel: release(),
    nodeVersion: process.versions.node,
    libcLoads: loadLibc() !== null,
    pidfd: opensPidfd(),
    flockNoFork: help.code === null && help.stdout === '' ? null : help.stdout.includes('--no-fork'),
    setpriv: findOnPath('setpriv', path),
    cgroup: cgroupKind(),
    ...diskFacts(dir),
    inotifyInstances: numberIn('/proc/sys/fs/inotify/max_user_instances'),
    inotifyWatches: numberIn('/proc/sys/fs/inotify/max_user_watches'),
    openFiles: openFileLimit(),
    systemd,
    clockSynchronized: clock?.code === 0 ? clock.stdout.trim() === 'yes' : null,
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

function cgroupKind(): HostFacts['cgroup'] {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return 'v2'
  if (existsSync('/sys/fs/cgroup/unified/cgroup.procs')) return 'hybrid'
  return existsSync('/sys/fs/cgroup/memory') || existsSync('/sys/fs/cgroup/cpu') ? 'v1' : 'none'
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
