/**
 * Control groups of runs that declare `limits:`: made before the start, joined by the run itself
 * (core/trampoline.ts), ended as a whole, removed afterwards. Promises that nothing here stands in the way of
 * a stop: only `make` says no. Never touches a group that is not below a base of this fleet, and never a
 * process that is not proven to be in the run's group.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupFiles, cgroupFiles } from './cgroup-files.ts'
import { type Layout, type LayoutKind, type Place, placeIn, readLayout } from './cgroup-layout.ts'
import { type Demand, demands, handDown, type RunLimits, setLimits } from './cgroup-limits.ts'
import { endProcess, freeze, killAll, thaw } from './cgroup-ending.ts'
import type { Libc } from './libc.ts'
import { errnoOf, isShortage } from './shortage.ts'

export interface CgroupAbilities {
  readonly memory: boolean
  readonly cpus: boolean
  readonly pids: boolean
  /** Ends a whole group in one call (version 2). */
  readonly kill: boolean
  readonly freeze: boolean
}

export type MadeCgroup =
  /** `join`: the cgroup.procs files for the trampoline; `missing`: limits that this host cannot keep. */
  | { readonly ok: true; readonly join: readonly string[]; readonly missing: readonly string[] }
  | { readonly ok: false; readonly why: string; readonly transient: boolean }

export interface CgroupUsage {
  readonly memoryBytes: number | null
  readonly cpuUs: number | null
  readonly pids: number | null
}

export interface CgroupsGiven {
  /** Tells fleets of one host apart: the hash of the state directory, letters and digits. */
  readonly key: string
  readonly libc: Libc | null
  readonly mounts?: string
  readonly root?: boolean
  readonly files?: CgroupFiles
  /** A file of a process in /proc; null: it has none. */
  readonly proc?: (pid: number, name: string) => string | null
}

export class Cgroups {
  readonly layout: LayoutKind
  readonly can: CgroupAbilities
  readonly #files: CgroupFiles
  readonly #libc: Libc | null
  readonly #places: readonly Place[]
  /** Groups of adopted runs that an earlier keeper made elsewhere. */
  readonly #elsewhere = new Map<string, readonly string[]>()
  readonly #proc: (pid: number, name: string) => string | null
  readonly #mounts: string
  /** Of the directories that hold our groups, with the slash before it. */
  readonly #name: string

  /** Looks once; never throws: what cannot be found out is not there. */
  static open(given: CgroupsGiven): Cgroups {
    return new Cgroups(given)
  }

  private constructor(given: CgroupsGiven) {
    this.#files = given.files ?? cgroupFiles
    this.#libc = given.libc
    this.#proc = given.proc ?? readProc
    this.#mounts = given.mounts ?? '/sys/fs/cgroup'
    this.#name = `/mark-${given.key}`
    const layout = this.#layoutOf(process.pid)
    const root = given.root ?? process.geteuid?.() === 0
    const places = layout.hierarchies.map(one => placeIn(one, given.key, root, this.#files))
    this.#places = places.filter(place => place !== null)
    this.layout = layout.kind
    this.can = abilities(this.#places)
    this.#thawAll()
  }

  /** Makes the run's groups and sets its limits; on a refusal nothing of them is left. */
  make(runId: string, limits: RunLimits): MadeCgroup {
    const { found, missing } = demands(limits, this.#places)
    try {
      const dirs = [...found].map(([place, demand]) => this.#makeAt(place, demand, idOf(runId)))
      const whole = this.#wholePlace()
      // Only to end it at once: what has its limits is started without, too.
      const extra = whole === null || found.has(whole) ? null : this.#tryMakeAt(whole, idOf(runId))
      const all = extra === null ? dirs : [...dirs, extra]
      return { ok: true, join: all.map(dir => join(dir, 'cgroup.procs')), missing }
    } catch (error) {
      this.remove(runId)
      const why = `its control group could not be made: ${(error as Error).message}`
      return { ok: false, why, transient: isShortage(error) }
    }
  }

  /**
   * A run that was started before us: finds its groups by one of its processes, also where an earlier keeper
   * had them elsewhere. false: it has none.
   */
  adopt(runId: string, pid: number): boolean {
    const known = this.#dirs(runId)
    const found = this.#layoutOf(pid).hierarchies.flatMap(({ own }) => {
      const at = `${own}/`.indexOf(`${this.#name}/${idOf(runId)}/`)
      return at < 0 ? [] : [own.slice(0, at + this.#name.length + 1 + runId.length)]
    })
    const extra = found.filter(dir => !known.includes(dir))
    if (extra.length > 0) this.#elsewhere.set(runId, extra)
    for (const dir of extra) thaw(dir, this.#files)
    return known.length + extra.length > 0
  }

  /** Ends all that is in the run's groups. true: nothing is left; false: call again in a moment. */
  kill(runId: string): boolean {
    const dirs = this.#dirs(runId)
    if (dirs.length === 0) return true
    for (const dir of dirs) killAll(dir, this.#files)
    const frozen = dirs.filter(dir => freeze(dir, this.#files))
    for (const pid of this.pids(runId) ?? []) {
      endProcess(pid, () => this.#isIn(pid, runId), this.#libc)
    }
    for (const dir of frozen) thaw(dir, this.#files)
    return this.pids(runId)?.length === 0
  }

  /** Processes in the run's groups; null: the host was too short of something to look. */
  pids(runId: string): number[] | null {
    const pids = new Set<number>()
    try {
      for (const dir of this.#dirs(runId)) {
        for (const group of this.#tree(dir)) {
          for (const pid of this.#number(join(group, 'cgroup.procs'))) if (pid > 1) pids.add(pid)
        }
      }
      return [...pids].filter(pid => pid !== process.pid)
    } catch {
      return null
    }
  }

  /** Did the kernel end a process of the run for want of memory? null: nothing here tells. */
  oom(runId: string): boolean | null {
    for (const dir of this.#dirs(runId)) {
      const text = this.#read(join(dir, 'memory.events')) ?? this.#read(join(dir, 'memory.oom_control'))
      const count = /^oom_kill (\d+)$/m.exec(text ?? '')?.[1]
      if (count !== undefined) return count !== '0'
    }
    return null
  }

  /** null: it has no groups. */
  usage(runId: string): CgroupUsage | null {
    const dirs = this.#dirs(runId)
    if (dirs.length === 0) return null
    const first = (names: readonly string[], pattern: RegExp): number | null => {
      for (const path of dirs.flatMap(dir => names.map(name => join(dir, name)))) {
        const match = pattern.exec(this.#read(path) ?? '')?.[1]
        if (match !== undefined) return Number(match)
      }
      return null
    }
    return {
      memoryBytes: first(['memory.current', 'memory.usage_in_bytes'], /^(\d+)/),
      cpuUs: first(['cpu.stat'], /^usage_usec (\d+)$/m),
      pids: first(['pids.current'], /^(\d+)/) ?? this.pids(runId)?.length ?? null,
    }
  }

  /** Removes the run's groups. false: something is still in them; call again later. */
  remove(runId: string): boolean {
    let gone = true
    for (const dir of this.#dirs(runId)) gone = this.#removeTree(dir) && gone
    if (gone) this.#elsewhere.delete(runId)
    return gone
  }

  /** Runs whose groups are there, for an adopting keeper: those without a live run are to be removed. */
  list(): string[] {
    const names = this.#places.flatMap(place => this.#subgroups(place.base))
    return [...new Set(names)].filter(name => RUN_ID.test(name))
  }

  /** Removes what is empty of this fleet; for the end of `mark down`. */
  close(): void {
    for (const runId of this.list()) this.remove(runId)
    for (const { base } of this.#places) this.#removeTree(base)
  }

  /** Where a group can be ended as a whole. */
  #wholePlace(): Place | null {
    const v2 = this.#places.find(place => place.version === 2)
    return v2 ?? this.#places.find(place => place.controllers.includes('freezer')) ?? null
  }

  #makeAt(place: Place, demand: Demand, runId: string): string {
    const dir = join(place.base, runId)
    handDown(place, demand, this.#files)
    this.#files.makeDir(dir)
    setLimits(place.version, dir, demand, this.#files)
    return dir
  }

  #tryMakeAt(place: Place, runId: string): string | null {
    try {
      return this.#makeAt(place, {}, runId)
    } catch {
      return null
    }
  }

  #dirs(runId: string): string[] {
    const own = this.#places
      .map(place => join(place.base, idOf(runId)))
      .filter(dir => this.#files.exists(dir))
    return [...own, ...(this.#elsewhere.get(runId) ?? []).filter(dir => this.#files.exists(dir))]
  }

  /** As this process sees it: where the groups of `pid` are. */
  #layoutOf(pid: number): Layout {
    const mountinfo = this.#proc(process.pid, 'mountinfo') ?? ''
    const ownGroups = this.#proc(pid, 'cgroup') ?? ''
    return readLayout({ mountinfo, ownGroups, mounts: this.#mounts, pid }, this.#files)
  }

  #isIn(pid: number, runId: string): boolean {
    const text = this.#proc(pid, 'cgroup') ?? ''
    return text.split('\n').some(line => line.split('/').includes(runId))
  }

  /** A keeper that died in the middle of a kill must not leave a run frozen. */
  #thawAll(): void {
    for (const runId of this.list()) for (const dir of this.#dirs(runId)) thaw(dir, this.#files)
  }

  #tree(dir: string): string[] {
    return [dir, ...this.#subgroups(dir).flatMap(name => this.#tree(join(dir, name)))]
  }

  #removeTree(dir: string): boolean {
    for (const group of this.#tree(dir).reverse()) {
      try {
        this.#files.removeDir(group)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') return false
      }
    }
    return true
  }

  #subgroups(dir: string): string[] {
    try {
      return this.#files.dirs(dir)
    } catch {
      return []
    }
  }

  /** Throws only in a shortage: a group that is gone has no processes. */
  #number(path: string): number[] {
    try {
      return this.#files.read(path).split('\n').filter(Boolean).map(Number)
    } catch (error) {
      if (isShortage(error)) throw error
      return []
    }
  }

  #read(path: string): string | null {
    try {
      return this.#files.read(path)
    } catch {
      return null
    }
  }
}

function readProc(pid: number, name: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return null
  }
}

const RUN_ID = /^[0-9A-Za-z]{8,64}$/

/** A run id is part of a path. */
function idOf(runId: string): string {
  if (!RUN_ID.test(runId)) throw new Error(`not a run id: ${runId}`)
  return runId
}

function abilities(places: readonly Place[]): CgroupAbilities {
  const has = (name: string): boolean => places.some(place => place.controllers.includes(name))
  const v2 = places.some(place => place.version === 2)
  return {
    memory: has('memory'),
    cpus: has('cpu'),
    pids: has('pids'),
    kill: v2,
    freeze: v2 || has('freezer'),
  }
}
