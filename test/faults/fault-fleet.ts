/**
 * A fleet to do harm to: asks its keeper over the socket, starts a keeper by hand with an environment of the
 * test's choice, kills all of MARK at once, and counts by /proc alone what lives in a directory.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Ask } from '../../src/contract/keeper.ts'
import type { ModuleView, StatusDocument } from '../../src/core/view.ts'
import { KeeperClient } from '../../src/host/line-socket.ts'
import { isSame, type Seen } from '../chaos/observer.ts'
import { allPids, isLive, statOf } from '../chaos/proc.ts'
import { BIN, cleanEnv, Fleet, until } from '../system/fleet.ts'

const ROOT = join(BIN, '..', '..')
export const isRoot = process.getuid?.() === 0

/** How often to repeat what a fault's own variable asks for, or MARK_FAULTS=long. */
export function repetitions(ci: number, long: number): number {
  return process.env.MARK_FAULTS === 'long' ? long : ci
}

export class FaultFleet extends Fleet {
  readonly #keepers = new Set<ChildProcess>()

  async ask(ask: Ask, timeoutMs = 10_000): Promise<unknown> {
    const client = await KeeperClient.connect(join(this.stateDir, 'run', 'keeper.sock'), timeoutMs)
    try {
      return await client.ask(ask, timeoutMs)
    } finally {
      client.close()
    }
  }

  async tell(verb: 'start' | 'stop' | 'restart' | 'reload' | 'unhold', ...modules: string[]): Promise<void> {
    await this.ask({ ask: verb, modules, by: 'test', reason: null })
  }

  /** What the keeper says; null: none answers. */
  async seen(): Promise<StatusDocument | null> {
    try {
      return (await this.ask({ ask: 'state' }, 3000)) as StatusDocument
    } catch {
      return null
    }
  }

  async view(name: string): Promise<ModuleView | null> {
    return (await this.seen())?.modules.find(module => module.name === name) ?? null
  }

  /** Waits until the module is in one of these states. */
  async settled(name: string, states: RegExp, deadlineMs = 20_000): Promise<ModuleView> {
    return await until(`${name} is ${states}`, deadlineMs, async () => {
      const view = await this.view(name)
      return view !== null && states.test(view.state) && view
    })
  }

  /** The keeper, once it serves and exactly one successor waits. */
  async armed(deadlineMs = 15_000): Promise<Seen> {
    return await until('a keeper serves and a successor waits', deadlineMs, () => {
      const look = this.look()
      return look.keeperServes && look.waiting.length === 1 && look.keeper
    })
  }

  /** A keeper under its lock, with these variables and nothing of `mark up` around it. */
  startKeeper(env: Readonly<Record<string, string>>): ChildProcess {
    mkdirSync(this.stateDir, { recursive: true, mode: 0o711 })
    const main = join(ROOT, 'src', 'keeper', 'main.ts')
    const argv = ['-F', join(this.stateDir, 'keeper.lock'), process.execPath, main]
    const child = spawn('flock', [...argv, '--state-dir', this.stateDir], {
      cwd: this.stateDir,
      env: cleanEnv(env),
      detached: true,
      stdio: 'ignore',
    })
    this.#keepers.add(child)
    child.unref()
    return child
  }

  /** SIGKILL for keeper, daemon and successors at once; modules go on. One in the disk's hands dies later. */
  killMark(): void {
    for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
      const marks = this.observer.everything().filter(seen => /keeper|daemon|waiting/.test(seen.role))
      if (marks.length === 0) return
      for (const seen of marks) if (isSame(statOf(seen.pid), seen)) process.kill(seen.pid, 'SIGKILL')
    }
    assert.fail('MARK does not end')
  }

  /** The one process of a module that runs now; fails when there is none or more. */
  pidOf(name: string): number {
    const pids = this.pids()[name] ?? []
    assert.equal(pids.length, 1, `${name} has ${pids.length} main processes`)
    return pids[0] as number
  }

  /** No run has two exits, nothing ever ran twice, and the journal is whole. */
  assertSound(): void {
    assert.deepEqual(this.observer.doubled, [])
    const exits = this.events('exited').map(event => event.run_id)
    assert.deepEqual(
      exits.filter((id, index) => exits.indexOf(id) !== index),
      [],
      'runs with two exits',
    )
  }

  override end(): void {
    for (const keeper of this.#keepers) keeper.kill('SIGKILL')
    super.end()
  }
}

/** Live processes whose working directory lies there: a witness that knows nothing of MARK. */
export function livingIn(dir: string): number[] {
  return allPids().filter(pid => {
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`)
      return (cwd === dir || cwd.startsWith(`${dir}/`)) && isLive(statOf(pid))
    } catch {
      return false
    }
  })
}
