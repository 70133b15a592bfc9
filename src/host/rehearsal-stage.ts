/**
 * A world on which nothing depends, for the keeper to rehearse a stop on: it keeps a real journal and a real
 * memory of children, in a directory of its own, and has no processes at all. Touches nothing of the fleet.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from '../core/world.ts'
import { ChildrenFile } from './children-file.ts'
import { systemClock } from './clock.ts'
import { Journal } from './journal.ts'

export class RehearsalStage {
  readonly world: World
  readonly #dir: string
  readonly #journal: Journal
  readonly #children: ChildrenFile

  /** `dir`: where its files may lie meanwhile. `real`: only names and ids are taken from it. */
  constructor(dir: string, real: World) {
    this.#dir = join(dir, 'rehearsal')
    rmSync(this.#dir, { recursive: true, force: true })
    mkdirSync(this.#dir, { mode: 0o700 })
    this.#journal = Journal.open(join(this.#dir, 'journal'), systemClock.now())
    this.#children = new ChildrenFile(join(this.#dir, 'children'))
    this.world = this.#worldLike(real)
  }

  /** Never throws: what a shortage leaves there goes when the next stage is made, or with the directory. */
  close(): void {
    try {
      this.#journal.close()
      this.#children.close()
      rmSync(this.#dir, { recursive: true, force: true })
    } catch (error) {
      process.stderr.write(`${this.#dir} is left: ${(error as Error).message}\n`)
    }
  }

  #worldLike(real: World): World {
    const { bootId, version, pid } = real
    return {
      ...{ bootId, version, pid, store: this.#store(), processes: noProcesses(pid) },
      latches: { read: () => [], trip: nothing, complete: nothing, release: () => false, halt: nothing },
      now: () => systemClock.now(),
      chance: () => 0,
      mintId: () => real.mintId(),
      wakeAt: nothing,
      soon: nothing,
      notifySocket: () => null,
      degraded: () => [],
      leave: nothing,
    }
  }

  #store(): World['store'] {
    return {
      loadPlan: () => null,
      savePlan: nothing,
      loadChildren: () => null,
      saveChildren: save => this.#children.save(save),
      loadRuns: () => [],
      saveRun: nothing,
      removeRun: nothing,
      evidence: () => null,
      journal: event => this.#journal.append(event),
      gather: () => this.#journal.gather(),
      settle: () => this.#journal.settle(),
      archived: nothing,
      journaledExit: () => null,
      saveSecrets: nothing,
    }
  }
}

function noProcesses(pid: number): World['processes'] {
  return {
    mintTag: () => null,
    spawn: () => ({ ok: false, why: 'this is a rehearsal', transient: false }),
    adopt: () => ({ alive: false, exit: null }),
    respec: nothing,
    find: () => null,
    // Signal 0 goes nowhere: it only takes the way that a real one takes.
    signal: () => process.kill(pid, 0),
    kill: nothing,
    sweep: () => true,
    hook: nothing,
    markLogEnd: () => null,
    forget: nothing,
  }
}

function nothing(): void {}
