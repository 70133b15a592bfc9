/**
 * What each run uses: CPU and memory of its whole tree once a second, new children of it once in 5 s,
 * descriptors and disk once a minute, a few modules at a time. Keeps the last minute of samples per module.
 * Reads /proc and sizes of files; never signals.
 */
import { cpuPercent } from '../../core/resource.ts'
import { formatUtc } from '../../core/time.ts'
import type { Clock } from '../../host/clock.ts'
import { fdCount, readStat } from '../../host/proc.ts'
import { diskUse } from './disk-use.ts'
import { RunMeter } from './run-meter.ts'
import { SampleRing } from './sample-ring.ts'

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
  readonly run: SampledRun
  readonly meter: RunMeter
  readonly ring: SampleRing
  /** Monotonic times: when it was read, walked, and walked through all its threads. */
  readAtMs: number
  walkedAtMs: number
  allWalkedAtMs: number
  fdsAtMs: number
  fds: number | null
  /** All that it used of the processor, and the most of memory, as far as it was seen. */
  ticks: number
  peakBytes: number | null
  readonly isAttempt: boolean
}

interface Disk {
  bytes: number | null
  atMs: number
  busy: boolean
}

const SAMPLE_MS = 1000
const TREE_MS = 5000
const SLOW_MS = 60_000
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

  /** A module and the run it has now, or null. Everything known of an earlier run is dropped. */
  observe(module: string, run: SampledRun | null): void {
    const sampled = this.#runs.get(module)
    if (sampled && sampled.run.runId !== run?.runId) this.#drop(module, sampled)
    if (run && !this.#runs.has(module)) this.#runs.set(module, this.#take(run))
    if (!this.#disks.has(module))
      this.#disks.set(module, { bytes: null, atMs: Number.NEGATIVE_INFINITY, busy: false })
    this.#arm()
  }

  /** Modules that are not there any more are forgotten. */
  keepOnly(modules: ReadonlySet<string>): void {
    for (const [module, sampled] of this.#runs)
      if (!modules.has(module) && !sampled.isAttempt) this.#drop(module, sampled)
    for (const module of this.#disks.keys()) if (!modules.has(module)) this.#disks.delete(module)
  }

  /** An attempt of a job: it has no disk of its own. */
  observeAttempt(run: SampledRun): void {
    if (this.#runs.has(run.runId)) return
    this.#runs.set(run.runId, this.#take(run, true))
    this.#arm()
  }

  /** What an attempt used until it ended; it is forgotten with that. null: it was never seen. */
  used(runId: string): { readonly cpu_s: number | null; readonly memory_bytes: number | null } {
    const sampled = this.#runs.get(runId)
    if (!sampled?.isAttempt) return { cpu_s: null, memory_bytes: null }
    this.#drop(runId, sampled)
    const cpu_s = sampled.peakBytes === null ? null : sampled.ticks / TICKS_PER_SECOND
    return { cpu_s, memory_bytes: sampled.peakBytes }
  }

  /** Newest figures of a module; null where nothing is known. */
  resources(module: string): {
    cpuPercent: number | null
    memoryBytes: number | null
    diskBytes: number | null
    fds: number | null
  } {
    const sampled = this.#runs.get(module)
    const newest = sampled?.ring.newest()
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
    const samples = sampled.ring
      .all()
      .map(({ wallMs, cpuPercent: cpu_percent, memoryBytes: memory_bytes }) => {
        return { at: formatUtc(wallMs), cpu_percent, memory_bytes }
      })
    return { samples, fds: sampled.fds }
  }

  /** One round; called by the timer, and by tests. */
  sample(): void {
    const now = this.#clock.now()
    // Descriptors of so many in a round that everyone has its turn within a minute.
    let turns = Math.ceil((this.#runs.size * SAMPLE_MS) / SLOW_MS)
    for (const sampled of this.#runs.values()) {
      try {
        this.#sampleRun(sampled, now.monoMs, now.wallMs)
        if (sampled.fds !== null && (now.monoMs - sampled.fdsAtMs < SLOW_MS || turns-- <= 0)) continue
        sampled.fds = fdCount(sampled.run.pid)
        sampled.fdsAtMs = now.monoMs
      } catch {
        // short of descriptors: the next round may do better
      }
    }
    this.#measureOneDisk(now.monoMs)
    this.#arm()
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer)
    for (const { meter } of this.#runs.values()) meter.close()
    this.#runs.clear()
    this.#disks.clear()
  }

  #take(run: SampledRun, isAttempt = false): Sampled {
    const never = Number.NEGATIVE_INFINITY
    return {
      run,
      meter: new RunMeter(run.pid),
      ring: new SampleRing(),
      readAtMs: never,
      walkedAtMs: never,
      allWalkedAtMs: never,
      fdsAtMs: never,
      fds: null,
      ticks: 0,
      peakBytes: null,
      isAttempt,
    }
  }

  #sampleRun(sampled: Sampled, monoMs: number, wallMs: number): void {
    if (monoMs - sampled.walkedAtMs >= TREE_MS) {
      const all = monoMs - sampled.allWalkedAtMs >= SLOW_MS
      sampled.meter.walk(all)
      sampled.walkedAtMs = monoMs
      // Not all at once: some come again earlier.
      if (all) sampled.allWalkedAtMs = monoMs - this.#clock.chance() * (SLOW_MS / 2)
    }
    const reading = sampled.meter.read()
    if (!reading) return
    const elapsedMs = monoMs - sampled.readAtMs
    const first = sampled.readAtMs === Number.NEGATIVE_INFINITY
    const cpu = first ? null : cpuPercent(reading.ticks, elapsedMs, TICKS_PER_SECOND)
    sampled.readAtMs = monoMs
    sampled.ticks += reading.ticks
    sampled.peakBytes = Math.max(sampled.peakBytes ?? 0, reading.rssPages * this.#pageBytes)
    sampled.ring.add(wallMs, cpu, reading.rssPages * this.#pageBytes)
  }

  #drop(module: string, sampled: Sampled): void {
    sampled.meter.close()
    this.#runs.delete(module)
  }

  #measureOneDisk(monoMs: number): void {
    for (const [module, disk] of this.#disks) {
      if (disk.busy || monoMs - disk.atMs < SLOW_MS) continue
      void this.#measureDisk(module, disk)
      return
    }
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

/** Memory pages are 4, 16 or 64 KiB; told by comparing our own size in bytes and in pages. */
function pageSize(): number {
  const pages = readStat(process.pid)?.rssPages ?? 0
  if (pages === 0) return 4096
  const guess = process.memoryUsage.rss() / pages
  return [4096, 16_384, 65_536].reduce((best, size) =>
    Math.abs(size - guess) < Math.abs(best - guess) ? size : best,
  )
}
