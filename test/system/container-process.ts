/**
 * `mark up` as process 1 of a pid namespace of its own, for one test: what a container is to MARK, without an
 * engine. It dies with the test, and all in it with it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { allPids, type Stat, statOf } from '../chaos/proc.ts'
import { BIN, cleanEnv, type Ended, type Fleet, until } from './fleet.ts'

const NAMESPACES = ['--fork', '--pid', '--mount-proc', '--kill-child']

/** Why no process 1 can be made here; null: it can. */
export function whyNoProcessOne(): string | null {
  if (process.getuid?.() !== 0) return 'a pid namespace of its own needs root'
  try {
    execFileSync('unshare', [...NAMESPACES, 'true'], { stdio: 'pipe' })
    return null
  } catch (error) {
    return `no pid namespace may be made here: ${String((error as Error).message)
      .split('\n')
      .at(-1)}`
  }
}

export class ContainerProcess {
  readonly ended: Promise<Ended>
  readonly #outside: ChildProcess
  #said = ''
  #init = 0

  constructor(fleet: Fleet, words: readonly string[], options: ContainerOptions = {}) {
    const argv = ['--pdeathsig', 'KILL', 'unshare', ...NAMESPACES, options.bin ?? BIN, ...words]
    const env = cleanEnv(options.env)
    const began = performance.now()
    this.#outside = spawn('setpriv', argv, { cwd: fleet.dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#outside.stdout, this.#outside.stderr])
      stream?.on('data', text => {
        this.#said += text
      })
    this.ended = new Promise(resolve => {
      this.#outside.once('close', code =>
        resolve({ code, stdout: this.#said, stderr: this.#said, tookMs: performance.now() - began }),
      )
    })
  }

  get said(): string {
    return this.#said
  }

  /** Pid of its process 1, as this host sees it. */
  get init(): number {
    if (this.#init !== 0) return this.#init
    const { pid } = this.#outside
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      this.#init = /^\d+$/.test(children) ? Number(children) : 0
    } catch {
      return 0
    }
    return this.#init
  }

  signal(name: NodeJS.Signals): void {
    if (this.init !== 0) process.kill(this.init, name)
  }

  /** Children of its process 1. */
  children(): Stat[] {
    return allPids().flatMap(pid => {
      const stat = statOf(pid)
      return stat !== null && stat.ppid === this.init ? [stat] : []
    })
  }

  async says(pattern: RegExp, deadlineMs = 15_000): Promise<void> {
    await until(`it says ${pattern}: ${this.#said}`, deadlineMs, () => pattern.test(this.#said))
  }

  end(): void {
    this.#outside.kill('SIGKILL')
  }
}

export interface ContainerOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly bin?: string
}
