/**
 * A copy of the paper fleet in a directory and on ports of its own, driven through `bin/mark`. Ends what it
 * started, and only that: processes are found by this fleet's state directory, never by a name.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { endFleet, removeSockets } from './ending.ts'
import { Storm } from './storm.ts'

const ROOT = dirname(dirname(import.meta.dirname))
const EXAMPLE = join(ROOT, 'examples', 'paper-fleet')
const NAMES = ['EXCHANGE', 'LUKA_PING', 'JAAN']
/** Below the range from which Linux takes ports of outgoing connections. */
const FIRST_PORT = 20_000
const BLOCK = 10
const BLOCKS = 1_200

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Wanted {
  /** null makes a new directory below the temporary one. */
  readonly into: string | null
  readonly callerEnv: NodeJS.ProcessEnv
  readonly extra: Readonly<Record<string, string>>
  readonly storm: boolean
}

export class PaperFleet {
  /** Holds all of it. */
  readonly place: string
  readonly dir: string
  readonly stateDir: string
  readonly modules: readonly string[]
  readonly storm: Storm | null
  readonly #env: NodeJS.ProcessEnv
  readonly #guard: Server
  readonly #commands = new Set<ChildProcess>()

  private constructor(
    place: string,
    dir: string,
    env: NodeJS.ProcessEnv,
    guard: Server,
    storm: Storm | null,
  ) {
    this.place = place
    this.dir = dir
    this.storm = storm
    this.stateDir = join(dir, '.mark')
    this.#env = env
    this.#guard = guard
    const config = readFileSync(join(dir, 'mark.yaml'), 'utf8')
    const modules = config.slice(config.indexOf('\nmodules:'), config.indexOf('\ngroups:'))
    this.modules = [...modules.matchAll(/^ {2}([a-z][a-z0-9_-]*):/gm)].map(match => match[1] as string)
  }

  static async make({ into, callerEnv, extra, storm }: Wanted): Promise<PaperFleet> {
    const place = into ?? mkdtempSync(join(tmpdir(), 'mark-chaos-'))
    // As in a checkout: the example finds the SDKs two levels above itself.
    const dir = join(place, 'examples', 'paper-fleet')
    mkdirSync(dir, { recursive: true })
    if (existsSync(join(dir, '.mark'))) throw new Error(`${dir} holds a fleet already`)
    for (const name of ['src', 'python']) symlinkSync(join(ROOT, name), join(place, name))
    const skip = new Set(['.mark', '__pycache__', 'node_modules', '.paper'])
    cpSync(EXAMPLE, dir, { recursive: true, filter: source => !skip.has(basename(source)) })
    // A checkout made under umask 002 is writable by a group, and MARK refuses such a config.
    for (const name of ['.', ...readdirSync(dir)]) chmodSync(join(dir, name), 0o755)
    const { guard, base } = await reservePorts()
    const clean = Object.entries(callerEnv).filter(
      ([name]) => !/^(MARK_|NODE_|NOTIFY_SOCKET|npm_)/.test(name),
    )
    const ports = NAMES.map((name, index) => [`${name}_PORT`, String(base + 1 + index)])
    const env = { ...Object.fromEntries([...clean, ...ports]), MARK_NODE: process.execPath, ...extra }
    return new PaperFleet(place, dir, env, guard, storm ? new Storm(dir) : null)
  }

  mark(words: readonly string[], timeoutMs: number): Promise<Ended> {
    return this.#run(join(ROOT, 'bin', 'mark'), words, timeoutMs)
  }

  verify(settled: boolean): Promise<Ended> {
    const words = ['verify.py', join(this.stateDir, 'state'), '--json', ...(settled ? ['--settled'] : [])]
    return this.#run('python3', words, 60_000)
  }

  /** Orders filled so far, by the exchange's own ledger. */
  fills(): number {
    try {
      const ledger = readFileSync(join(this.stateDir, 'state', 'exchange', 'ledger.jsonl'), 'latin1')
      return ledger.split('"kind": "fill"').length - 1
    } catch {
      return 0
    }
  }

  /** Did its last run end by SIGTERM, by its own log? */
  stoppedAsAsked(module: string): boolean {
    const log = readFileSync(join(this.stateDir, 'logs', `${module}.log`), 'utf8')
    return / stopped as asked\n$/.test(log)
  }

  /** Ends every process of this fleet. Returns how many. */
  end(): number {
    for (const command of this.#commands) command.kill('SIGKILL')
    this.#guard.close()
    const ended = endFleet(this.stateDir)
    this.storm?.end()
    return ended
  }

  /** Removes the directory and the sockets; only after `end`. */
  remove(): void {
    removeSockets(this.stateDir)
    rmSync(this.place, { recursive: true, force: true })
  }

  #run(file: string, words: readonly string[], timeoutMs: number): Promise<Ended> {
    const child = spawn(file, words, { cwd: this.dir, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#commands.add(child)
    const said = { stdout: '', stderr: '' }
    child.stdout.on('data', text => {
      said.stdout += text
    })
    child.stderr.on('data', text => {
      said.stderr += text
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', code => {
        clearTimeout(timer)
        this.#commands.delete(child)
        resolve({ code, ...said })
      })
    })
  }
}

/** A block of ports nobody else's harness takes while its first port, the guard, is listened on. */
async function reservePorts(): Promise<{ guard: Server; base: number }> {
  const first = process.pid % BLOCKS
  for (let tried = 0; tried < BLOCKS; tried++) {
    const base = FIRST_PORT + ((first + tried) % BLOCKS) * BLOCK
    const guard = await listenOn(base)
    if (guard === null) continue
    const others = await Promise.all(NAMES.map((_, index) => listenOn(base + 1 + index)))
    for (const other of others) other?.close()
    if (!others.includes(null)) return { guard: guard.unref(), base }
    guard.close()
  }
  throw new Error('there is no block of free ports')
}

function listenOn(port: number): Promise<Server | null> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
