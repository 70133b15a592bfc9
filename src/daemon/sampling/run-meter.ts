/**
 * What the processes of one run use together: the ticks since the last look and the memory now. Keeps the
 * run's tree and looks for new children in it, by the first thread's list often and by those of all threads
 * rarely or when their number has changed. A process of one thread that has not run since is not asked again
 * what it used: that answer costs the kernel four times as much as whether it ran. Reads /proc only.
 */
import { childrenOf, parseChildren, parseUsage, type Usage } from '../../host/proc.ts'
import { KeptFile } from '../../host/kept-file.ts'

interface Metered {
  readonly stat: KeptFile
  readonly children: KeptFile
  /** When and how long its first thread ran: changes whenever it runs. */
  readonly schedule: KeptFile
  /** What that said last, as one number; null: it does not tell. */
  ran: number | null
  /** Readings in a row that found nothing used; at QUIET it is asked only whether it ran. */
  quiet: number
  /** null: not read yet. */
  ticks: number | null
  threads: number
  /** How many there were when children were last looked for. */
  lookedThreads: number
  rssPages: number
}

export interface Reading {
  /** Used since the last reading: of a process that is new, all it ever used. */
  readonly ticks: number
  readonly rssPages: number
}

const TREE_MAX = 500
const QUIET = 3
/** Memory may be taken from who does not run: all is asked again after so many readings. */
const QUIET_MAX = 15
const ZERO = 0x30
// Only within one call, so that one buffer and one record serve all runs.
const bytes = Buffer.allocUnsafeSlow(4096)
const usage: Usage = { ticks: 0, threads: 0, startTime: 0, rssPages: 0 }

export class RunMeter {
  readonly #pid: number
  /** Its main process ended: the pid may be another's soon, and is not looked at again. */
  #over = false
  readonly #processes = new Map<number, Metered>()

  constructor(pid: number) {
    this.#pid = pid
  }

  /** null once its main process is gone: what it left behind is swept. Throws HostShortage. */
  read(): Reading | null {
    let ticks = 0
    let rssPages = 0
    for (const [pid, process] of this.#processes) {
      if (!rested(process)) {
        const before = process.ticks
        if (!look(process)) {
          this.#drop(pid, process)
          continue
        }
        const used = Math.max(0, (process.ticks ?? 0) - (before ?? 0))
        process.quiet = used === 0 && process.threads === 1 ? process.quiet + 1 : 0
        if (process.quiet === QUIET) process.ran = ranOf(process)
        ticks += used
      }
      rssPages += process.rssPages
    }
    if (this.#over) this.close()
    return this.#processes.size === 0 ? null : { ticks, rssPages }
  }

  /**
   * Looks for new children. `all`: of every thread, and forgets who does not belong to the tree any more;
   * else of first threads, and of all threads where their number has changed. Throws HostShortage.
   */
  walk(all: boolean): void {
    if (this.#over) return
    const tree = new Set(all ? [] : this.#processes.keys()).add(this.#pid)
    for (const pid of tree) {
      for (const child of this.#childrenOf(pid, all)) if (tree.size < TREE_MAX) tree.add(child)
    }
    for (const [pid, process] of this.#processes) if (!tree.has(pid)) this.#drop(pid, process)
  }

  close(): void {
    for (const [pid, process] of this.#processes) this.#drop(pid, process)
  }

  #childrenOf(pid: number, all: boolean): readonly number[] {
    const process = this.#processes.get(pid) ?? this.#add(pid)
    const everyThread = process.threads > 1 && (all || process.threads !== process.lookedThreads)
    process.lookedThreads = process.threads
    if (everyThread) return childrenOf(pid)
    const length = process.children.read(bytes)
    // A kernel without these lists, or more children than fit: the long way, but not often.
    if (length < 0 || length === bytes.length) return all ? childrenOf(pid) : []
    return parseChildren(bytes, length)
  }

  #add(pid: number): Metered {
    const process = metered(pid)
    this.#processes.set(pid, process)
    look(process)
    process.ticks = null
    return process
  }

  #drop(pid: number, process: Metered): void {
    if (pid === this.#pid) this.#over = true
    process.stat.close()
    process.children.close()
    process.schedule.close()
    this.#processes.delete(pid)
  }
}

function metered(pid: number): Metered {
  return {
    stat: new KeptFile(`/proc/${pid}/stat`),
    children: new KeptFile(`/proc/${pid}/task/${pid}/children`),
    schedule: new KeptFile(`/proc/${pid}/schedstat`),
    ran: null,
    quiet: 0,
    ticks: null,
    threads: 0,
    lookedThreads: 0,
    rssPages: 0,
  }
}

/** false: it is gone. */
function look(process: Metered): boolean {
  const length = process.stat.read(bytes)
  if (length <= 0 || !parseUsage(bytes, length, usage)) return false
  process.ticks = usage.ticks
  process.threads = usage.threads
  process.rssPages = usage.rssPages
  return true
}

/** Has it not run since it was last looked at? Asked only of one thread: others have lists of their own. */
function rested(process: Metered): boolean {
  if (process.quiet < QUIET) return false
  const ran = ranOf(process)
  if (ran !== null && ran === process.ran && process.quiet++ < QUIET_MAX) return true
  process.quiet = 0
  return false
}

function ranOf(process: Metered): number | null {
  const length = process.schedule.read(bytes)
  // A kernel that does not count says `0 0 0`.
  if (length <= 0 || bytes[0] === ZERO) return null
  let hash = 0
  for (let at = 0; at < length; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0
  return hash
}
