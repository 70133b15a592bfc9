/**
 * Which control groups this host has, where this process is in them, and where groups of our own may be made:
 * only where nobody else rules (see docs/decisions/0012-containment.md). Reads; makes and changes nothing.
 */
import { basename, dirname, join } from 'node:path'
import type { CgroupFiles } from './cgroup-files.ts'

export type LayoutKind = 'v2' | 'hybrid' | 'v1' | 'none'

export interface Hierarchy {
  readonly version: 1 | 2
  /** What a group of our own can limit: memory, pids, cpu; on version 1 also freezer. */
  readonly controllers: readonly string[]
  /** Directory of this process's own group. */
  readonly own: string
  /** Directory of the highest group that is seen here. */
  readonly top: string
}

export interface Layout {
  readonly kind: LayoutKind
  readonly hierarchies: readonly Hierarchy[]
}

/** Where groups of our own go in one hierarchy. */
export interface Place {
  readonly version: 1 | 2
  readonly controllers: readonly string[]
  /** Holds one directory a run. */
  readonly base: string
  /** Version 2: groups that must hand the controllers down, outermost first; `base` is the last of them. */
  readonly handDown: readonly string[]
  /** Version 2: the group that must be empty of processes first, and the leaf that they move to. */
  readonly vacate: { readonly from: string; readonly leaf: string } | null
}

/** Group of the keeper and the daemon below one that is all ours; the unit's DelegateSubgroup names it. */
export const KEEPER_LEAF = 'mark-keeper'
const USED = ['memory', 'pids', 'cpu', 'freezer']

/** `mountinfo`, `ownGroups`: of /proc/self; `mounts`: only what is mounted at or below it counts. */
export function readLayout(
  given: {
    readonly mountinfo: string
    readonly ownGroups: string
    readonly mounts: string
    readonly pid: number
  },
  files: CgroupFiles,
): Layout {
  const own = ownPaths(given.ownGroups)
  const hierarchies: Hierarchy[] = []
  for (const mount of parseMounts(given.mountinfo)) {
    if (mount.at !== given.mounts && !mount.at.startsWith(`${given.mounts}/`)) continue
    const dir = ownDirectory(mount, own)
    // What is mounted may be hidden by a later mount, or belong to another namespace: look.
    if (dir === null || !holds(dir, given.pid, files)) continue
    const controllers =
      mount.version === 1 ? mount.controllers : words(join(dir, 'cgroup.controllers'), files)
    const used = controllers.filter(name => USED.includes(name))
    if (mount.version === 2 || used.length > 0)
      hierarchies.push({ version: mount.version, controllers: used, own: dir, top: mount.at })
  }
  return { kind: kindOf(hierarchies), hierarchies: withoutTwins(hierarchies) }
}

/**
 * Version 1: below our own group, where a group may hold processes and groups alike. Version 2: below a group
 * that was given to us, else for root at the top of the host; null: nowhere. `key` tells fleets apart.
 */
export function placeIn(hierarchy: Hierarchy, key: string, root: boolean, files: CgroupFiles): Place | null {
  const { version, own, top, controllers } = hierarchy
  const name = `mark-${key}`
  if (version === 1) {
    if (!files.writable(own)) return null
    return { version, controllers, base: join(own, name), handDown: [], vacate: null }
  }
  const given = delegated(hierarchy, root, files)
  if (given !== null) {
    const base = join(given, name)
    const vacate = given === own ? { from: own, leaf: join(own, KEEPER_LEAF) } : null
    return { version, controllers, base, handDown: [given, base], vacate }
  }
  const bySystemd = /^\/(system\.slice|user\.slice|init\.scope)(\/|$)/.test(own.slice(top.length))
  const isHostRoot = own === top && !isContainerTop(top, files)
  if (root && (bySystemd || isHostRoot) && files.writable(top))
    return placeAtTop(top, name, words(join(top, 'cgroup.controllers'), files))
  if (!files.writable(own) || !files.writable(join(own, 'cgroup.procs'))) return null
  // A unit of systemd before 254 could not be started again while it hands controllers down: groups only.
  return { version, controllers: [], base: join(own, name), handDown: [], vacate: null }
}

function placeAtTop(top: string, name: string, controllers: readonly string[]): Place {
  const base = join(top, name)
  const used = controllers.filter(controller => USED.includes(controller))
  return { version: 2, controllers: used, base, handDown: [top, base], vacate: null }
}

/** The group that is ours to divide: the parent of our leaf, a container's root, a scope of our account. */
function delegated(hierarchy: Hierarchy, root: boolean, files: CgroupFiles): string | null {
  const { own, top } = hierarchy
  const ours = (dir: string): boolean =>
    files.writable(dir) &&
    files.writable(join(dir, 'cgroup.procs')) &&
    files.writable(join(dir, 'cgroup.subtree_control'))
  if (own !== top && basename(own) === KEEPER_LEAF) return ours(dirname(own)) ? dirname(own) : null
  if (own === top) return isContainerTop(top, files) && ours(top) ? top : null
  return !root && own.endsWith('.scope') && ours(own) ? own : null
}

/** The top of what a container sees is a group like any other; only the host's own root has no type. */
function isContainerTop(top: string, files: CgroupFiles): boolean {
  return files.exists(join(top, 'cgroup.type'))
}

interface Mount {
  readonly version: 1 | 2
  readonly controllers: readonly string[]
  /** Which group is mounted, as a path in its hierarchy. */
  readonly root: string
  readonly at: string
}

function parseMounts(mountinfo: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ')
    const [type, , options] = (after ?? '').split(' ')
    const [, , , root, at] = (before ?? '').split(' ')
    if ((type !== 'cgroup' && type !== 'cgroup2') || root === undefined || at === undefined) continue
    const version = type === 'cgroup2' ? 2 : 1
    const controllers = version === 2 ? [] : (options ?? '').split(',')
    mounts.push({ version, controllers, root: unescapePath(root), at: unescapePath(at) })
  }
  return mounts
}

/** mountinfo writes blanks and the like as three octal digits. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}

/** Our group's path by controller; the key '' is version 2. */
function ownPaths(text: string): Map<string, string> {
  const paths = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line)
    for (const name of match?.[1]?.split(',') ?? []) paths.set(name, match?.[2] ?? '/')
  }
  return paths
}

function ownDirectory(mount: Mount, own: ReadonlyMap<string, string>): string | null {
  const name = mount.version === 2 ? '' : mount.controllers.find(controller => own.has(controller))
  const path = name === undefined ? undefined : own.get(name)
  if (path === undefined || path.split('/').includes('..')) return null
  const under = (rest: string): string => (rest === '' || rest === '/' ? mount.at : join(mount.at, rest))
  if (mount.root === '/') return under(path)
  if (path === mount.root || path.startsWith(`${mount.root}/`)) return under(path.slice(mount.root.length))
  return null
}

function holds(dir: string, pid: number, files: CgroupFiles): boolean {
  return words(join(dir, 'cgroup.procs'), files).includes(String(pid))
}

function words(path: string, files: CgroupFiles): string[] {
  try {
    return files
      .read(path)
      .split(/\s+/)
      .filter(word => word !== '')
  } catch {
    return []
  }
}

function kindOf(hierarchies: readonly Hierarchy[]): LayoutKind {
  const [v1, v2] = [1, 2].map(version => hierarchies.some(one => one.version === version))
  if (v2) return v1 ? 'hybrid' : 'v2'
  return v1 ? 'v1' : 'none'
}

/** One hierarchy mounted at two places is one; cpu and cpuacct may share one. */
function withoutTwins(hierarchies: readonly Hierarchy[]): Hierarchy[] {
  const idOf = (one: Hierarchy): string => `${one.version} ${one.version === 2 ? '' : one.controllers.join()}`
  const seen = new Set<string>()
  return hierarchies.filter(one => !seen.has(idOf(one)) && seen.add(idOf(one)))
}
