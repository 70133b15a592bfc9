/**
 * A storm for a chaos run: one more module floods its log, all logs lie on a disk too small for it, so that
 * the log is cut every few seconds and the disk is full after a minute. A reader that follows from the start
 * must get every line of every run once, in order and whole, and no write may fail. Needs root.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { followLog } from '../../src/host/log-reader.ts'
import { type Mounted, mount } from '../contracts/file-systems.ts'

export const STORM = 'storm'
const DISK_MB = 32
const MODULE = `
  ${STORM}:
    command: [python3, storm.py]
    log: { max_size: 1M, keep: 1000, quota: 1G, reserve: 4M }
`
/** Noise, so that its archives fill the disk too. About 200 KB a second. */
const PROGRAM = `import base64, os, signal, time
run, state, stop = os.environ['MARK_RUN_ID'], os.environ['MARK_STATE_DIR'], []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
with open(f'{state}/starts.jsonl', 'a') as file: file.write('{"run_id": "%s"}\\n' % run)
began, n = time.monotonic(), 0
while not stop:
    line = b'%s %d %s\\n' % (run.encode(), n, base64.b64encode(os.urandom(60)))
    try: failed = os.write(1, line) < len(line)
    except OSError: failed = True
    if failed:
        with open(f'{state}/failed.txt', 'a') as file: file.write(f'{n}\\n')
    n += 1
    ahead = n / 2000 - (time.monotonic() - began)
    if ahead > 0.01: time.sleep(ahead)
`
const LINE = /^([0-9A-Z]{26}) (\d+) [A-Za-z0-9+/]{80}$/
const PROBLEMS_MAX = 20

export class Storm {
  readonly #stateDir: string
  readonly #disk: Mounted
  readonly #next = new Map<string, number>()
  readonly #problems: string[] = []
  #run = ''
  #lines = 0
  #torn = 0
  #leastFree = Number.POSITIVE_INFINITY
  #follower: { close(): void } | null = null

  /** Into a directory where no fleet was up yet. */
  constructor(dir: string) {
    this.#stateDir = join(dir, '.mark')
    const config = join(dir, 'mark.yaml')
    writeFileSync(config, readFileSync(config, 'utf8').replace('\ngroups:', `${MODULE}\ngroups:`))
    writeFileSync(join(dir, 'storm.py'), PROGRAM)
    this.#disk = mount('ext4', DISK_MB)
    const logs = join(this.#stateDir, 'logs')
    mkdirSync(this.#stateDir, { mode: 0o700 })
    mkdirSync(logs, { mode: 0o755 })
    execFileSync('mount', ['--bind', this.#disk.dir, logs])
  }

  /** Once the fleet is up. */
  follow(): void {
    const logs = join(this.#stateDir, 'logs')
    this.#follower = followLog(logs, STORM, 0, lines => {
      for (const { text } of lines) this.#take(text)
      const { bavail, bsize } = statfsSync(logs)
      this.#leastFree = Math.min(this.#leastFree, bavail * bsize)
    })
  }

  /** What its lines say, once all is down. */
  check(): { readonly says: string; readonly problems: readonly string[] } {
    this.#follower?.close()
    const failed = existsSync(join(this.#stateDir, 'state', STORM, 'failed.txt'))
    const free = `${(this.#leastFree / 2 ** 20).toFixed(1)} of ${DISK_MB} MB free at the least`
    const lines = `${this.#lines} lines of ${this.#next.size} runs once, in order and whole`
    return {
      says: `storm: ${lines}; ${this.#torn} cut by a kill; ${free}`,
      problems: failed ? [...this.#problems, 'a write of the storm failed'] : this.#problems,
    }
  }

  end(): void {
    this.#follower?.close()
    execFileSync('umount', ['-l', join(this.#stateDir, 'logs')])
    this.#disk.unmount()
  }

  #take(text: string): void {
    const match = LINE.exec(text)
    if (!match) {
      // A kill may end a write at the border of a page: the next run's first line follows on it.
      const begun = /([0-9A-Z]{26}) 0 [A-Za-z0-9+/]{80}$/.exec(text)
      if (begun === null) return this.#wrong(`a torn line: ${text.slice(0, 60)}`)
      this.#torn++
      this.#begin(begun[1] as string)
      return
    }
    const [, run = '', seq] = match
    if (run !== this.#run) this.#begin(run, Number(seq))
    else if (Number(seq) !== this.#next.get(run))
      this.#wrong(`line ${seq} of ${run} where ${this.#next.get(run)} was due`)
    this.#lines++
    this.#next.set(run, Number(seq) + 1)
  }

  #begin(run: string, seq = 0): void {
    if (seq !== 0 || this.#next.has(run)) this.#wrong(`${run} begins with line ${seq}`)
    this.#run = run
    this.#next.set(run, 1)
  }

  #wrong(what: string): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(`storm: ${what}`)
  }
}
