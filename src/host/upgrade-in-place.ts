/**
 * Another version of MARK in this very process: proven first, then, once nothing is in the middle of
 * something, by execve. Same pid and lock, children stay ours, the successor stays armed. Until execve
 * nothing is given up; whatever fails before it is said, and this version goes on.
 */
import type { ErrorBody } from '../core/errors.ts'
import { MarkError } from '../core/errors.ts'
import type { UpgradeOrder } from '../core/world.ts'
import type { Libc } from './libc.ts'
import type { LinuxWorld } from './linux-world.ts'
import { distrust, probe } from './new-version.ts'
import { replaceProcess, whyNotReplaced } from './replace-process.ts'
import type { StateDir } from './state-dir.ts'
import type { SystemdNotifier } from './systemd.ts'

/** Hooks end within 30 s. */
const QUIET_WITHIN_MS = 40_000
const LOOK_AGAIN_MS = 20

/** What the keeper knows of it. */
export interface UpgradeRules {
  /** What must end before; null: nothing. */
  readonly unfinished: () => Unfinished | null
  /** Puts on disk what it may not be without. */
  readonly save: () => void
  readonly refused: (order: UpgradeOrder, why: ErrorBody) => void
}

export interface UpgradeGiven extends UpgradeRules {
  readonly world: LinuxWorld
  readonly libc: Libc | null
  readonly state: StateDir
  readonly systemd: SystemdNotifier
  readonly environment: Readonly<Record<string, string>>
  /** Further arguments for the keeper that follows. */
  readonly args: readonly string[]
}

export interface Unfinished {
  /** `a hook of luka runs`. */
  readonly what: string
  /** It is of no use to wait. */
  readonly final: boolean
}

export class UpgradeInPlace {
  readonly #given: UpgradeGiven
  #underWay = false
  #probe: number | null = null

  constructor(given: UpgradeGiven) {
    this.#given = given
  }

  /** The new version while it proves itself: no sweep may take it for somebody's orphan. */
  get pids(): readonly number[] {
    return this.#probe === null ? [] : [this.#probe]
  }

  /** Throws what can be told at once; the rest comes as `upgrade_refused`, or this program is no more. */
  begin(order: UpgradeOrder): void {
    const { world, libc, state, environment } = this.#given
    if (this.#underWay) throw new MarkError('MARK_BUSY', 'An upgrade is under way already.')
    const unable = whyNotReplaced(libc)
    if (unable !== null) throw new MarkError('MARK_UNSUPPORTED', `No upgrade in place: ${unable}.`)
    const why = distrust(order, process.geteuid?.() ?? 0)
    if (why !== null) throw new MarkError('MARK_REFUSED', `Version ${order.version} may not run: ${why}`)
    this.#underWay = true
    const { pid, fault } = probe(order, state.dir, environment)
    this.#probe = pid
    const untilMs = world.now().monoMs + QUIET_WITHIN_MS
    void fault.then(body => {
      this.#probe = null
      // In a turn of its own: exits that were reaped together with the probe are heard before.
      world.soon(() => (body === null ? this.#whenQuiet(order, untilMs) : this.#refuse(order, body)))
    })
  }

  #whenQuiet(order: UpgradeOrder, untilMs: number): void {
    const { world, unfinished } = this.#given
    const left = unfinished()
    if (left === null) return this.#replace(order)
    if (!left.final && world.now().monoMs < untilMs) {
      world.soon(() => world.soon(() => this.#whenQuiet(order, untilMs)), LOOK_AGAIN_MS)
      return
    }
    const message = `Version ${order.version} cannot take over now: ${left.what}.`
    this.#refuse(order, { code: 'MARK_BUSY', message, hint: 'Try again when that is done.' })
  }

  #replace(order: UpgradeOrder): void {
    const { world, libc, state, systemd, environment, args } = this.#given
    this.#given.save()
    world.journal.flush()
    const lost = world.degraded().find(what => what.startsWith('state not durable'))
    if (lost !== undefined) {
      const why = `what it must know cannot be written (${lost})`
      const message = `Version ${order.version} cannot take over: ${why}.`
      return this.#refuse(order, { code: 'MARK_REFUSED', message, hint: 'Is the disk full?' })
    }
    systemd.reloading(`changes from ${world.version} to ${order.version}`)
    const tell = ['--upgraded-from', world.version, '--upgraded-by', order.by]
    try {
      const argv = [order.node, order.main, '--state-dir', state.dir, ...args, ...tell] as const
      replaceProcess(libc as Libc, state.keeperLock, argv, environment)
    } catch (error) {
      systemd.ready(`keeps the fleet of ${state.dir}`)
      const message = `Version ${order.version} could not be started: ${(error as Error).message}.`
      this.#refuse(order, { code: 'MARK_REFUSED', message, hint: null })
    }
  }

  #refuse(order: UpgradeOrder, why: ErrorBody): void {
    this.#underWay = false
    this.#given.refused(order, why)
  }
}
