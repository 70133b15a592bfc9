/**
 * What each run uses: CPU and memory of its whole tree once a second, its tree once in 5 s, descriptors and
 * disk once a minute. Keeps the last 60 samples per module in memory. Reads /proc and sizes of files; never
 * signals.
 */
import { cpuPercent, pushSample, type ResourceSample, type TreeSample } from '../../core/resource.ts'
import { formatUtc } from '../../core/time.ts'
import type { Clock } from '../../host/clock.ts'
import { childrenOf, fdCount, readStat } from '../../host/proc.ts'
import { diskUse } from './disk-use.ts'

export interface SampledRun {
  readonly module: string
  readonly runId: string
  readonly pid: number
}

export interface RunHistory {
  readonly samples: readonly {
    readonly at: string
    readonly cpu_percent: number | null
    readonly memory_bytes: number
  }[]
  readonly fds: number | null
}

interface Sampled {
  run: SampledRun
  tree: readonly number[]
  treeAtMs: number
  last: TreeSample | null
  ring: readonly ResourceSample[]
  fds: number | null
}

interface Disk {
  bytes: number | null
  atMs: number
  busy: boolean
}

const SAMPLE_MS = 1000
const TREE_MS = 5000
const SLOW_MS = 60_000
const RING = 60
const TREE_MAX = 500
/** USER_HZ: 100 on every supported architecture. */
const TICKS_PER_SECOND = 100

export class Sampler {
  readonly #clock: Clock
  readonly #pathsOf: (module: string) => readonly string[]
  readonly #pageBytes: number
  readonly #runs = new Map<string, Sampled>()
  readonly #disks = new Map<string, Disk>()
  #timer: NodeJS.Timeout | null = null

  /** `pathsOf`: files and directories whose size counts as a module's disk. */
  constructor(clock: Clock, pathsOf: (module: string) => readonly string[]) {
    this.#clock = clock
    this.#pathsOf = pathsOf
    this.#pageBytes = pageSize()
  }

  /** The runs that live now; everything known of others is dropped. `modules`: all there are. */
  observe(runs: readonly SampledRun[], modules: readonly string[]): void {
    const live = new Map(runs.map(run => [run.module, run]))
    for (const [module, sampled] of this.#runs) {
      if (live.get(module)?.runId !== sampled.run.runId) this.#runs.delete(module)
    }
    for (const run of runs) {
      if (this.#runs.has(run.module)) continue
      this.#runs.set(run.module, {
        run,
        tree: [run.pid],
        treeAtMs: Number.NEGATIVE_INFINITY,
        last: null,
        ring: [],
        fds: null,
      })
    }
    const known = new Set(modules)
    for (const module of this.#disks.keys()) if (!known.has(module)) this.#disks.delete(module)
    for (const module of modules) {
      if (!this.#disks.has(module))
        this.#disks.set(module, { bytes: null, atMs: Number.NEGATIVE_INFINITY, busy: false })
    }
    this.#arm()
  }

  /** Newest figures of a module; null where nothing is known. */
  resources(module: string): {
    cpuPercent: number | null
    memoryBytes: number | null
    diskBytes: number | null
    fds: number | null
  } {
    const sampled = this.#runs.get(module)
    const newest = sampled?.ring.at(-1)
    return {
      cpuPercent: newest?.cpuPercent ?? null,
      memoryBytes: newest?.memoryBytes ?? null,
      diskBytes: this.#disks.get(module)?.bytes ?? null,
      fds: sampled?.fds ?? null,
    }
  }

  /** The last minute of a run as its dossier shows it; null when it is not known. */
  history(runId: string): RunHistory | null {
    const sampled = [...this.#runs.values()].find(one => one.run.runId === runId)
    if (!sampled) return null
    const samples = sampled.ring.map(({ wallMs, cpuPercent: cpu_percent, memoryBytes: memory_bytes }) => {
      return { at: formatUtc(wallMs), cpu_percent, memory_bytes }
    })
    return { samples, fds: sampled.fds }
  }

  /** One round; called by the timer, and by tests. */
  sample(): void {
    const now = this.#clock.now()
    for (const sampled of this.#runs.values()) {
      try {
        this.#sampleRun(sampled, now.monoMs, now.wallMs)
      } catch {
        // short of descriptors: the next round may do better
      }
    }
    const due = [...this.#disks].find(([, disk]) => !disk.busy && now.monoMs - disk.atMs >= SLOW_MS)
    if (due) void this.#measureDisk(due[0], due[1])
    this.#arm()
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#runs.clear()
    this.#disks.clear()
  }

  #sampleRun(sampled: Sampled, monoMs: number, wallMs: number): void {
    if (monoMs - sampled.treeAtMs >= TREE_MS) {
      if (Math.floor(monoMs / SLOW_MS) !== Math.floor(sampled.treeAtMs / SLOW_MS))
        sampled.fds = fdCount(sampled.run.pid)
      sampled.tree = treeOf(sampled.run.pid)
      sampled.treeAtMs = monoMs
    }
    const ticks = new Map<string, number>()
    let pages = 0
    for (const pid of sampled.tree) {
      const stat = readStat(pid)
      if (!stat) continue
      ticks.set(`${pid}:${stat.startTime}`, stat.utimeTicks + stat.stimeTicks)
      pages += stat.rssPages
    }
    if (ticks.size === 0) return
    const tree = { monoMs, ticks, rssBytes: pages * this.#pageBytes }
    const cpu = sampled.last ? cpuPercent(sampled.last, tree, TICKS_PER_SECOND) : null
    sampled.last = tree
    sampled.ring = pushSample(sampled.ring, { wallMs, cpuPercent: cpu, memoryBytes: tree.rssBytes }, RING)
  }

  async #measureDisk(module: string, disk: Disk): Promise<void> {
    disk.busy = true
    disk.bytes = await diskUse(this.#pathsOf(module))
    disk.atMs = this.#clock.now().monoMs
    disk.busy = false
  }

  #arm(): void {
    if (this.#timer || (this.#runs.size === 0 && this.#disks.size === 0)) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.sample()
    }, SAMPLE_MS)
    this.#timer.unref()
  }
}

function treeOf(pid: number): number[] {
  const tree = [pid]
  for (let at = 0; at < tree.length && tree.length < TREE_MAX; at++)
    tree.push(...childrenOf(tree[at] as number))
  return tree
}

/** Memory pages are 4, 16 or 64 KiB; told by comparing our own size in bytes and in pages. */
function pageSize(): number {
  const pages = readStat(process.pid)?.rssPages ?? 0
  if (pages === 0) return 4096
  const guess = process.memoryUsage.rss() / pages
  return [4096, 16_384, 65_536].reduce((best, size) =>
    Math.abs(size - guess) < Math.abs(best - guess) ? size : best,
  )
}
