/**
 * All that concerns what modules say and are told: puts the sockets, the voices and the pauses together, and
 * carries out what the ladder of stale modules asks. Decides nothing itself.
 */
import type { SaidRecord } from '../../contract/api.ts'
import type { NotedKind } from '../../contract/keeper.ts'
import type { StaleMove } from '../../core/child.ts'
import { MarkError } from '../../core/errors.ts'
import type { Plan } from '../../core/plan.ts'
import type { LadderMove } from '../../core/stale-ladder.ts'
import type { Health, KillView, ModuleView } from '../../core/view.ts'
import type { Clock } from '../../host/clock.ts'
import type { Libc } from '../../host/libc.ts'
import type { StateDir } from '../../host/state-dir.ts'
import { Allowance } from './allowance.ts'
import { ModuleServers } from './module-servers.ts'
import { Pauses } from './pauses.ts'
import { type Remains, type VoiceView, Voices } from './voices.ts'

export interface ModuleSideDeps {
  readonly state: StateDir
  readonly clock: Clock
  readonly libc: Pick<Libc, 'peer'> | null
  readonly say: (line: string) => void
  readonly tell: (module: string, runId: string, found: 'ready' | Health, reason: string) => void
  /** A rung for the keeper to take. */
  readonly move: (module: string, runId: string, move: StaleMove, reason: string) => void
  readonly note: (
    kind: NotedKind,
    module: string,
    runId: string | null,
    data: Readonly<Record<string, unknown>>,
  ) => void
  readonly changed: (module: string) => void
}

const BY_LADDER = 'mark'

export class ModuleSide {
  readonly #deps: ModuleSideDeps
  readonly #pauses: Pauses
  readonly #reconciliations = new Allowance(10, 60_000)
  readonly #voices: Voices
  readonly #servers: ModuleServers

  constructor(deps: ModuleSideDeps) {
    this.#deps = deps
    const { state, clock, libc, say } = deps
    this.#pauses = new Pauses({
      state,
      say,
      wallMs: () => clock.now().wallMs,
      killLevel: module => this.#servers.haltByKills(module)?.level ?? null,
      changed: (kind, module, runId, by, reason) => {
        deps.note(kind, module, runId, { by, reason })
        this.#servers.passHalts()
        deps.changed(module)
      },
    })
    this.#voices = new Voices({
      clock,
      tell: deps.tell,
      move: (module, runId, move, reason) => this.#move(module, runId, move, reason),
      wasPaused: (module, runId) => this.#pauses.wasStale(module, runId),
      reconciled: (module, runId, ok, detail) => this.#reconciled(module, runId, ok, detail),
      changed: deps.changed,
    })
    this.#servers = new ModuleServers({
      ...{ state, clock, libc, say, voices: this.#voices, pauses: this.#pauses },
      happened: (module, runId, { kind, data }) => deps.note(kind, module, runId, data),
      refused: (module, runId, reason, count) =>
        deps.note('refused_speaker', module, runId, { reason, count }),
    })
  }

  setPlan(plan: Plan): void {
    this.#voices.setPlan(plan)
    this.#servers.setPlan(plan)
  }

  observe(view: ModuleView): void {
    this.#servers.observe(view)
    this.#voices.observe(view)
    this.#pauses.runIs(view.name, view.run_id)
  }

  keepOnly(modules: ReadonlySet<string>): void {
    this.#servers.keepOnly(modules)
  }

  setKills(kills: readonly KillView[]): void {
    this.#servers.setKills(kills)
  }

  linkUp(): void {
    this.#voices.linkUp()
    this.#servers.setKeeperUp(true)
  }

  linkDown(): void {
    this.#voices.linkDown()
    this.#servers.setKeeperUp(false)
  }

  /** null: this run never said anything. */
  of(runId: string): VoiceView | null {
    return this.#voices.of(runId)
  }

  saidBy(runId: string): SaidRecord | null {
    return this.#voices.saidBy(runId)
  }

  /** The exit code that the run's main process named before it ended; null: it named none. */
  closingCode(runId: string, pid: number): number | null {
    return this.#voices.lastWords(runId, pid)?.closing?.code ?? null
  }

  missing(runIds: ReadonlySet<string>): string[] {
    return this.#voices.missing(runIds)
  }

  forget(runId: string): Remains {
    this.#reconciliations.forget(runId)
    return this.#voices.forget(runId)
  }

  notes(): string[] {
    return this.#servers.notes()
  }

  /** Why a module is paused; null: it is not, or by the kill switch alone. */
  paused(module: string): string | null {
    return (this.#pauses.byOperator(module) ?? this.#pauses.byLadder(module))?.reason ?? null
  }

  /** Whether it can be told to pause: it is connected, or its SDK looks at its halt file. */
  hears(module: string): boolean {
    return this.#servers.hears(module)
  }

  /** Throws MARK_REFUSED for a module that cannot hear it. A second pause changes nothing. */
  pause(module: string, by: string, reason: string | null): void {
    if (this.#pauses.byOperator(module) !== null) return
    if (!this.hears(module)) {
      throw new MarkError(
        'MARK_REFUSED',
        `${module} cannot be told to pause: nobody of it speaks on MARK_SOCKET.`,
        `if it runs, give it an SDK (docs/module-protocol.md), or stop it: mark stop ${module}.`,
      )
    }
    this.#pauses.pause('operator', { module, by, reason, run_id: null })
  }

  /** Takes back the pauses, whoever ordered them. `halt`: what the kill switch still says. */
  resume(
    module: string,
    by: string,
    reason: string | null,
  ): { readonly resumed: boolean; readonly halt: string | null } {
    const ended = (['operator', 'stale'] as const).map(source =>
      this.#pauses.resume(source, module, by, reason ?? ''),
    )
    return { resumed: ended.includes(true), halt: this.#servers.haltByKills(module)?.reason ?? null }
  }

  close(): void {
    this.#servers.close()
    this.#voices.close()
  }

  #reconciled(module: string, runId: string, ok: boolean, detail: string | null): void {
    const { clock, note } = this.#deps
    if (this.#reconciliations.takes(runId, clock.now().monoMs))
      note('reconciled', module, runId, { ok, detail })
  }

  #move(module: string, runId: string, move: LadderMove, reason: string): void {
    if (move === 'recover' || move === 'restart') return this.#deps.move(module, runId, move, reason)
    if (move === 'resume') this.#pauses.resume('stale', module, BY_LADDER, reason)
    else this.#pauses.pause('stale', { module, by: BY_LADDER, reason, run_id: runId })
  }
}
