/**
 * A fleet in a temporary directory for one test: writes its mark.yaml, runs `bin/mark` on it, looks at it
 * through /proc, and ends and removes all of it whatever happens. Waits for conditions, never for time.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ModuleView, StatusDocument } from '../../src/core/view.ts'
import { endFleet, removeSockets } from '../chaos/ending.ts'
import { type JournalEvent, readJournal } from '../chaos/journal.ts'
import { type Look, Observer } from '../chaos/observer.ts'

export const BIN = join(dirname(dirname(import.meta.dirname)), 'bin', 'mark')
const COMMAND_MS = 60_000
const POLL_MS = 20

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly tookMs: number
}

const living = new Set<Fleet>()
after(() => {
  for (const fleet of living) fleet.end()
})
process.once('exit', () => {
  for (const fleet of living) fleet.end()
})

export class Fleet {
  readonly dir = mkdtempSync(join(tmpdir(), 'mark-system-'))
  readonly stateDir = join(this.dir, '.mark')
  readonly observer: Observer
  readonly #commands = new Set<ChildProcess>()

  /** `modules`: the names that `look` counts. */
  constructor(config: string, modules: readonly string[] = []) {
    this.observer = new Observer(this.stateDir, modules)
    this.write('mark.yaml', config)
    living.add(this)
  }

  write(name: string, text: string, mode = 0o644): string {
    const path = join(this.dir, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { mode })
    return path
  }

  read(name: string): string {
    const path = join(this.dir, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  has(name: string): boolean {
    return existsSync(join(this.dir, name))
  }

  /** Not awaited: the command as it runs. Its output is collected in `said`. */
  begin(...words: readonly string[]): { child: ChildProcess; ended: Promise<Ended>; said: () => string } {
    const began = performance.now()
    const child = spawn(BIN, words, { cwd: this.dir, env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] })
    this.#commands.add(child)
    const out = { stdout: '', stderr: '' }
    child.stdout.on('data', text => {
      out.stdout += text
    })
    child.stderr.on('data', text => {
      out.stderr += text
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS)
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', code => {
        clearTimeout(timer)
        this.#commands.delete(child)
        resolve({ code, ...out, tookMs: performance.now() - began })
      })
    })
    return { child, ended, said: () => out.stdout + out.stderr }
  }

  async mark(...words: readonly string[]): Promise<Ended> {
    return await this.begin(...words).ended
  }

  /** As `mark`, and it must end with `code`. */
  async expect(code: number, ...words: readonly string[]): Promise<Ended> {
    const ended = await this.mark(...words)
    assert.equal(ended.code, code, `mark ${words.join(' ')}: ${ended.stdout}${ended.stderr}`)
    return ended
  }

  async up(): Promise<void> {
    await this.expect(0, 'up', '-d')
  }

  async status(): Promise<StatusDocument> {
    const { stdout, stderr } = await this.mark('status', '--json')
    assert.notEqual(stdout, '', stderr)
    return JSON.parse(stdout) as StatusDocument
  }

  async module(name: string): Promise<ModuleView> {
    const found = (await this.status()).modules.find(module => module.name === name)
    assert.ok(found, `there is no module ${name}`)
    return found
  }

  look(): Look {
    return this.observer.look()
  }

  /** Pids by module, by /proc; modules without a process are left out. */
  pids(): Record<string, number[]> {
    const runs = [...this.look().modules].filter(([, seen]) => seen.length > 0)
    return Object.fromEntries(runs.map(([name, seen]) => [name, seen.map(run => run.pid)]))
  }

  events(kind?: string, module?: string): JournalEvent[] {
    if (!existsSync(join(this.stateDir, 'events.journal'))) return []
    const { events } = readJournal(this.stateDir)
    return events.filter(event => (!kind || event.kind === kind) && (!module || event.module === module))
  }

  /** Ends all processes of this fleet and removes its directory. */
  end(): void {
    if (!living.delete(this)) return
    for (const command of this.#commands) command.kill('SIGKILL')
    endFleet(this.stateDir)
    removeSockets(this.stateDir)
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Waits until `found` is neither false, null nor undefined; fails with `what` after `deadlineMs`. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  found: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const value = await found()
    if (value !== false && value !== null && value !== undefined)
      return value as Exclude<T, false | null | undefined>
    if (performance.now() > deadline) assert.fail(`not within ${deadlineMs} ms: ${what}`)
    await sleep(POLL_MS)
  }
}

/** Nothing of the test runner's own, and no MARK around us, reaches the commands. */
export function cleanEnv(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(MARK_|NODE_|NOTIFY_|npm_)/.test(name))
  return { ...Object.fromEntries(entries), ...extra }
}
