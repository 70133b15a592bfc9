/**
 * Compresses archives in one niced child for all modules, seldom and in batches, and not while the host is
 * short of CPU. Archives wait as long as it takes; nothing is lost if it never runs.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface PressOptions {
  readonly logs: string
  readonly monoMs: () => number
  /** Is the host too busy? By /proc/pressure/cpu, or the load. */
  readonly isBusy?: () => boolean
  /** Runs one batch: its process. */
  readonly start?: () => ChildProcess
  /** What went wrong with a batch, for the log. */
  readonly report?: (text: string) => void
}

const BATCH_EVERY_MS = 30_000
const BATCH_BYTES = 256 * 1024 * 1024
const DEFER_MAX_MS = 10 * 60_000
const BUSY_AVG10 = 25
const BUSY_LOAD = 1.5
/** The child's status: some archives were too young. */
export const SOME_LEFT = 3
/** Lowest priority for CPU and, where it can be said, for the disk. */
const NICED = 'command -v ionice >/dev/null && set -- ionice -c 3 "$@"; exec nice -n 19 "$@"'
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

export class LogPress {
  readonly #options: PressOptions
  #child: ChildProcess | null = null
  #waitingBytes = 0
  /** Since when something waits. */
  #sinceMs: number | null = null
  #notBeforeMs: number

  constructor(options: PressOptions) {
    this.#options = options
    this.#notBeforeMs = options.monoMs() + BATCH_EVERY_MS
  }

  /** An archive of so many bytes waits. */
  await(bytes: number): void {
    this.#waitingBytes += bytes
    this.#sinceMs ??= this.#options.monoMs()
  }

  /** Starts a batch when one is due. */
  tick(): void {
    const { monoMs, isBusy = isHostBusy } = this.#options
    const now = monoMs()
    if (this.#child || this.#sinceMs === null) return
    if (now < this.#notBeforeMs && this.#waitingBytes < BATCH_BYTES) return
    if (now - this.#sinceMs < DEFER_MAX_MS && isBusy()) return
    this.#notBeforeMs = now + BATCH_EVERY_MS
    this.#waitingBytes = 0
    this.#sinceMs = null
    this.#begin()
  }

  /** Ends the batch: the next one begins again where it was. */
  close(): void {
    this.#child?.kill('SIGKILL')
  }

  #begin(): void {
    const { logs, start = () => startChild(logs), report } = this.#options
    let child: ChildProcess
    try {
      child = start()
    } catch (error) {
      this.#again(report, (error as Error).message)
      return
    }
    this.#child = child
    child.unref()
    child.once('error', error => this.#again(report, error.message))
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return
      if (code === 0) this.#child = null
      else if (code === SOME_LEFT) this.#again(undefined, '')
      else this.#again(report, `it ended with ${code ?? signal}`)
    })
  }

  #again(report: PressOptions['report'], why: string): void {
    this.#child = null
    this.await(0)
    report?.(`archives of logs were not compressed: ${why}`)
  }
}

function startChild(logs: string): ChildProcess {
  const source = new URL('./compress-logs/main.ts', import.meta.url)
  const main = existsSync(source) ? source : new URL('./compress-logs/main.js', import.meta.url)
  const args = ['-c', NICED, 'sh', process.execPath, fileURLToPath(main), logs]
  return spawn('/bin/sh', args, { stdio: 'ignore', env: { PATH }, cwd: '/' })
}

function isHostBusy(): boolean {
  try {
    const text = readFileSync('/proc/pressure/cpu', 'latin1')
    return Number(/^some avg10=([\d.]+)/.exec(text)?.[1] ?? 0) > BUSY_AVG10
  } catch {
    return (loadavg()[0] ?? 0) / availableParallelism() > BUSY_LOAD
  }
}
