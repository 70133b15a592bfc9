/**
 * A cgroup v2 hierarchy in memory, for tests: keeps the kernel's rules about controllers, inner processes and
 * removal, and says no with the same errno. Processes are bare numbers.
 */
import { dirname, join } from 'node:path'
import type { CgroupFiles } from './cgroup-files.ts'

interface Group {
  readonly procs: Set<number>
  readonly down: Set<string>
  readonly values: Map<string, string>
}

const ALWAYS = ['cgroup.procs', 'cgroup.controllers', 'cgroup.subtree_control']
const BELOW_ROOT = ['cgroup.type', 'cgroup.kill']
const CONTROLLED: Readonly<Record<string, readonly string[]>> = {
  memory: ['memory.max', 'memory.swap.max', 'memory.oom.group', 'memory.events', 'memory.current'],
  pids: ['pids.max', 'pids.current'],
  cpu: ['cpu.max'],
}

export class FakeCgroup2 implements CgroupFiles {
  readonly groups = new Map<string, Group>()
  readonly #top: string
  readonly #controllers: readonly string[]
  readonly #isHost: boolean
  readonly #mayWrite: (path: string) => boolean

  /** `isHost`: the top is the host's root, else a group that a container sees as its top. */
  constructor(
    top: string,
    given: { controllers: readonly string[]; isHost: boolean; mayWrite?: (path: string) => boolean },
  ) {
    this.#top = top
    this.#controllers = given.controllers
    this.#isHost = given.isHost
    this.#mayWrite = given.mayWrite ?? (() => true)
    this.#add(top)
  }

  /** Makes a group and all above it; all hand down `controllers`. */
  plant(path: string, procs: readonly number[], controllers: readonly string[] = []): void {
    if (path !== this.#top && !this.groups.has(dirname(path))) this.plant(dirname(path), [], controllers)
    if (path !== this.#top) for (const name of controllers) this.#group(dirname(path)).down.add(name)
    const group = this.groups.get(path) ?? this.#add(path)
    for (const pid of procs) group.procs.add(pid)
  }

  read(path: string): string {
    const dir = dirname(path)
    const name = path.slice(dir.length + 1)
    const group = this.#group(dir)
    if (name === 'cgroup.procs') return [...group.procs].map(pid => `${pid}\n`).join('')
    if (name === 'cgroup.controllers') return `${this.#available(dir).join(' ')}\n`
    if (name === 'cgroup.subtree_control') return `${[...group.down].join(' ')}\n`
    if (!this.exists(path)) throw failure('ENOENT', path)
    return group.values.get(name) ?? ''
  }

  write(path: string, text: string): void {
    const dir = dirname(path)
    const name = path.slice(dir.length + 1)
    const group = this.#group(dir)
    if (!this.exists(path)) throw failure('ENOENT', path)
    if (name === 'cgroup.subtree_control') this.#handDown(dir, group, text)
    else if (name === 'cgroup.procs') this.#enter(dir, group, Number(text))
    else if (name === 'cgroup.kill')
      for (const [at, { procs }] of this.groups) {
        if (at === dir || at.startsWith(`${dir}/`)) procs.clear()
      }
    else group.values.set(name, text)
  }

  makeDir(path: string): void {
    if (this.groups.has(path)) throw failure('EEXIST', path)
    this.#group(dirname(path))
    this.#add(path)
  }

  removeDir(path: string): void {
    if (this.#group(path).procs.size > 0 || this.dirs(path).length > 0) throw failure('EBUSY', path)
    this.groups.delete(path)
  }

  dirs(path: string): string[] {
    this.#group(path)
    return [...this.groups.keys()].filter(at => dirname(at) === path).map(at => at.slice(path.length + 1))
  }

  exists(path: string): boolean {
    if (this.groups.has(path)) return true
    const dir = dirname(path)
    if (!this.groups.has(dir)) return false
    const name = path.slice(dir.length + 1)
    if (ALWAYS.includes(name)) return true
    if (dir === this.#top && this.#isHost) return false
    const limits = this.#available(dir).flatMap(controller => CONTROLLED[controller] ?? [])
    return BELOW_ROOT.includes(name) || limits.includes(name)
  }

  writable(path: string): boolean {
    return this.exists(path) && this.#mayWrite(path)
  }

  #handDown(dir: string, group: Group, text: string): void {
    for (const word of text.trim().split(' ')) {
      if (!this.#available(dir).includes(word.slice(1))) throw failure('ENOENT', dir)
      if (group.procs.size > 0 && !(dir === this.#top && this.#isHost)) throw failure('EBUSY', dir)
      group.down.add(word.slice(1))
    }
  }

  #enter(dir: string, group: Group, pid: number): void {
    if (group.down.size > 0 && !(dir === this.#top && this.#isHost)) throw failure('EBUSY', dir)
    for (const { procs } of this.groups.values()) procs.delete(pid)
    group.procs.add(pid)
  }

  #available(dir: string): string[] {
    return dir === this.#top ? [...this.#controllers] : [...this.#group(dirname(dir)).down]
  }

  #group(path: string): Group {
    const group = this.groups.get(path)
    if (!group) throw failure('ENOENT', join(path))
    return group
  }

  #add(path: string): Group {
    const group: Group = { procs: new Set(), down: new Set(), values: new Map() }
    this.groups.set(path, group)
    return group
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
