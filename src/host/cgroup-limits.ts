/**
 * What limits are in the files of a control group, for both versions. Knows no run; throws what the kernel
 * said where a limit that was asked for could not be set.
 */
import { join } from 'node:path'
import type { CgroupFiles } from './cgroup-files.ts'
import type { Place } from './cgroup-layout.ts'
import { errnoOf } from './shortage.ts'

export interface RunLimits {
  readonly memoryBytes: number | null
  /** Cores: 0.5 is half of one. */
  readonly cpus: number | null
  readonly pids: number | null
}

/** What one group is to limit. */
export interface Demand {
  readonly memory?: number
  readonly cpu?: number
  readonly pids?: number
}

const CPU_PERIOD_US = 100_000
/** The kernel refuses less. */
const CPU_QUOTA_MIN_US = 1_000
/** While processes are moved out new ones may come: looked at again this often. */
const VACATE_ROUNDS = 20

/** Which place keeps which limit, version 2 first; `missing`: those that no place can keep. */
export function demands(
  limits: RunLimits,
  places: readonly Place[],
): { readonly found: Map<Place, Demand>; readonly missing: string[] } {
  const found = new Map<Place, Demand>()
  const missing: string[] = []
  const wanted = { memory: limits.memoryBytes, cpu: limits.cpus, pids: limits.pids }
  for (const [controller, value] of Object.entries(wanted)) {
    if (value === null) continue
    const able = places.filter(one => one.controllers.includes(controller))
    const place = able.find(one => one.version === 2) ?? able[0]
    if (place) found.set(place, { ...found.get(place), [controller]: value })
    else missing.push(controller === 'cpu' ? 'cpus' : controller)
  }
  return { found, missing }
}

/** Makes the base, and on version 2 has every group on the way hand down what the demand needs. */
export function handDown(place: Place, demand: Demand, files: CgroupFiles): void {
  const needed = Object.keys(demand).map(controller => `+${controller}`)
  if (place.vacate !== null && needed.length > 0) vacate(place.vacate, files)
  if (!files.exists(place.base)) unlessThere(() => files.makeDir(place.base))
  if (needed.length === 0) return
  for (const dir of place.handDown) {
    const path = join(dir, 'cgroup.subtree_control')
    const has = files.read(path).split(/\s+/)
    const lacking = needed.filter(word => !has.includes(word.slice(1)))
    if (lacking.length > 0) files.write(path, lacking.join(' '))
  }
}

export function setLimits(version: 1 | 2, dir: string, demand: Demand, files: CgroupFiles): void {
  const set = (name: string, value: string | number): void => files.write(join(dir, name), String(value))
  const { memory, cpu, pids } = demand
  if (memory !== undefined) setMemory(version, memory, set)
  if (pids !== undefined) set('pids.max', pids)
  if (cpu === undefined) return
  const quotaUs = Math.max(CPU_QUOTA_MIN_US, Math.round(cpu * CPU_PERIOD_US))
  if (version === 2) set('cpu.max', `${quotaUs} ${CPU_PERIOD_US}`)
  else {
    set('cpu.cfs_period_us', CPU_PERIOD_US)
    set('cpu.cfs_quota_us', quotaUs)
  }
}

type SetFile = (name: string, value: string | number) => void

/** Swap counts too where the kernel counts it: a limit that only moves a bot to the swap is none. */
function setMemory(version: 1 | 2, bytes: number, set: SetFile): void {
  set(version === 2 ? 'memory.max' : 'memory.limit_in_bytes', bytes)
  const also: [string, string | number][] =
    version === 2
      ? [
          ['memory.swap.max', 0],
          ['memory.oom.group', 1],
        ]
      : [['memory.memsw.limit_in_bytes', bytes]]
  for (const [name, value] of also) {
    try {
      set(name, value)
    } catch (error) {
      // Without swap accounting there are no such files.
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EOPNOTSUPP') throw error
    }
  }
}

/** A group of version 2 hands nothing down while processes are in it. */
function vacate(move: { readonly from: string; readonly leaf: string }, files: CgroupFiles): void {
  for (let round = 0; round < VACATE_ROUNDS; round++) {
    const pids = files.read(join(move.from, 'cgroup.procs')).split('\n').filter(Boolean)
    if (pids.length === 0) return
    unlessThere(() => files.makeDir(move.leaf))
    for (const pid of pids) {
      try {
        files.write(join(move.leaf, 'cgroup.procs'), pid)
      } catch (error) {
        if (errnoOf(error) !== 'ESRCH') throw error
      }
    }
  }
  throw new Error(`processes keep coming into ${move.from}`)
}

function unlessThere(make: () => void): void {
  try {
    make()
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}
