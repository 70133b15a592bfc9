/**
 * MARK's end of every module's MARK_SOCKET: makes the sockets, lets in only the module's own processes, and
 * brings what they say to Voices. A module that misbehaves here harms only its own connection.
 */
import { join } from 'node:path'
import { MODULE_LINE_MAX_BYTES } from '../../contract/module.ts'
import { isBuiltIn } from '../../core/link-spec.ts'
import type { ModuleSpec, Plan } from '../../core/plan.ts'
import type { KillView, ModuleView } from '../../core/view.ts'
import type { Clock } from '../../host/clock.ts'
import type { Libc } from '../../host/libc.ts'
import { listenModule, type ModuleConnection } from '../../host/module-socket.ts'
import type { StateDir } from '../../host/state-dir.ts'
import { findUser } from '../../host/users.ts'
import { type Halt, haltOfFiles, haltOfKills, stricter } from './halt-level.ts'
import type { Pauses } from './pauses.ts'
import { Refusals } from './refusals.ts'
import { type ModuleEvent, Session } from './session.ts'
import { findSpeaker, runsOfViews, runsOnDisk } from './speakers.ts'
import type { Voices } from './voices.ts'

export interface ModuleServersDeps {
  readonly state: StateDir
  readonly clock: Clock
  /** Without it nobody can be told apart, and no socket is served. */
  readonly libc: Pick<Libc, 'peer'> | null
  readonly voices: Voices
  /** One of MARK's own modules says that this happened. */
  readonly happened: (module: string, runId: string, event: ModuleEvent) => void
  readonly pauses: Pauses
  readonly say: (line: string) => void
  /** Somebody was refused: for the journal. */
  readonly refused: (module: string, runId: string | null, reason: string, count: number) => void
}

interface Served {
  readonly user: string | null
  /** null: it is being made, or could not be. */
  listener: { close(): void } | null
  closed: boolean
  readonly sessions: Set<Session>
}

const RETRY_MS = 1000

export class ModuleServers {
  readonly #deps: ModuleServersDeps
  readonly #refusals: Refusals
  readonly #served = new Map<string, Served>()
  /** Why a socket cannot be served now, by module. */
  readonly #troubles = new Map<string, string>()
  readonly #views = new Map<string, ModuleView>()
  #plan: Plan | null = null
  #kills: readonly KillView[] = []
  #retry: NodeJS.Timeout | null = null
  #halts: NodeJS.Timeout | null = null
  #keeperUp = false
  #closed = false

  constructor(deps: ModuleServersDeps) {
    this.#deps = deps
    this.#refusals = new Refusals(
      () => deps.clock.now().monoMs,
      deps.say,
      (module, reason, count) => deps.refused(module, this.#views.get(module)?.run_id ?? null, reason, count),
    )
  }

  setPlan(plan: Plan): void {
    this.#plan = plan
    const specs = new Map(plan.modules.map(spec => [spec.name, spec]))
    for (const [name, served] of [...this.#served]) {
      if (specs.get(name)?.user !== served.user) this.#end(name, served)
    }
    this.#refusals.keepOnly(new Set(specs.keys()))
    for (const name of this.#troubles.keys()) if (!specs.has(name)) this.#troubles.delete(name)
    for (const spec of plan.modules) this.#serve(spec)
    this.passHalts()
  }

  /** The keeper's newest view of one module. */
  observe(view: ModuleView): void {
    this.#views.set(view.name, view)
    const spec = view.run_id === null ? undefined : this.#specOf(view.name)
    if (spec) this.#serve(spec)
  }

  keepOnly(modules: ReadonlySet<string>): void {
    for (const name of [...this.#views.keys()]) if (!modules.has(name)) this.#views.delete(name)
  }

  setKills(kills: readonly KillView[]): void {
    this.#kills = kills
    this.passHalts()
  }

  /** Who was refused lately, a sentence a module, and which sockets cannot be served. */
  notes(): string[] {
    const troubles = [...this.#troubles].map(
      ([module, message]) => `the socket of ${module} cannot be served: ${message}`,
    )
    return [...troubles, ...this.#refusals.notes()]
  }

  /** While the keeper is away nobody tells of kills: the halt files are looked at. */
  setKeeperUp(isUp: boolean): void {
    this.#keeperUp = isUp
    this.passHalts()
  }

  haltByKills(module: string): Halt | null {
    return haltOfKills(this.#kills, module, this.#plan)
  }

  /** Whether its present run can be told to pause. */
  hears(module: string): boolean {
    const sessions = [...(this.#served.get(module)?.sessions ?? [])]
    const runId = this.#views.get(module)?.run_id ?? null
    return sessions.some(session => session.greeted) || (runId !== null && this.#deps.voices.hasSdk(runId))
  }

  close(): void {
    this.#closed = true
    if (this.#retry) clearTimeout(this.#retry)
    if (this.#halts) clearTimeout(this.#halts)
    for (const [name, served] of [...this.#served]) this.#end(name, served)
  }

  #specOf(name: string): ModuleSpec | undefined {
    return this.#plan?.modules.find(spec => spec.name === name)
  }

  #serve(spec: ModuleSpec): void {
    if (this.#closed || !this.#deps.libc || this.#served.has(spec.name)) return
    const served: Served = { user: spec.user, listener: null, closed: false, sessions: new Set() }
    this.#served.set(spec.name, served)
    this.#listen(spec, served, this.#deps.libc).then(
      listener => {
        served.listener = listener
        this.#troubles.delete(spec.name)
        if (served.closed) listener.close()
      },
      (error: NodeJS.ErrnoException) => this.#notServed(spec, served, error),
    )
  }

  async #listen(spec: ModuleSpec, served: Served, libc: Pick<Libc, 'peer'>): Promise<{ close(): void }> {
    const { state, clock } = this.#deps
    const owner = spec.user == null ? null : findUser(spec.user)
    if (spec.user != null && owner === null) throw new Error(`there is no user ${spec.user}`)
    return await listenModule({
      path: join(state.socketDir, 'm', spec.name, 'mark.sock'),
      owner,
      lineMaxBytes: MODULE_LINE_MAX_BYTES,
      libc,
      nowMs: () => clock.now().monoMs,
      isOwn: pid => this.#views.get(spec.name)?.pid === pid,
      onConnection: connection => this.#welcome(spec.name, served, connection),
      onTurnedAway: () => this.#refusals.note(spec.name, 'too many connections'),
    })
  }

  /** The keeper makes the directory at the module's first start: until then there is nothing to serve. */
  #notServed(spec: ModuleSpec, served: Served, error: NodeJS.ErrnoException): void {
    if (this.#served.get(spec.name) === served) this.#served.delete(spec.name)
    const isLive = this.#views.get(spec.name)?.pid != null
    if (served.closed || this.#closed || !isLive) return
    if (error.code !== 'ENOENT' && this.#troubles.get(spec.name) !== error.message) {
      this.#troubles.set(spec.name, error.message)
      this.#deps.say(`the socket of ${spec.name} cannot be served: ${error.message}`)
    }
    this.#retry ??= setTimeout(() => {
      this.#retry = null
      for (const view of this.#views.values()) this.observe(view)
    }, RETRY_MS).unref()
  }

  #end(name: string, served: Served): void {
    served.closed = true
    served.listener?.close()
    this.#served.delete(name)
    this.#troubles.delete(name)
  }

  #welcome(module: string, served: Served, connection: ModuleConnection): void {
    const { peer } = connection
    if (peer === null) return this.#refuse(module, connection, 'the kernel does not say who it is')
    let gone = false
    connection.onClose(() => {
      gone = true
    })
    findSpeaker(
      peer.pid,
      [() => runsOfViews(this.#views.values()), () => runsOnDisk(this.#deps.state, this.#plan)],
      run => {
        if (run?.module === module) return this.#speak(module, run.runId, peer.pid, served, connection)
        const whose = run === null ? 'is no part of a run of it' : `belongs to ${run.module}`
        this.#refuse(module, connection, `process ${peer.pid} ${whose}`)
      },
      () => gone || served.closed,
    )
  }

  #refuse(module: string, connection: ModuleConnection, reason: string): void {
    this.#refusals.note(module, reason)
    connection.end()
  }

  #speak(module: string, runId: string, pid: number, served: Served, connection: ModuleConnection): void {
    const { voices, clock, happened } = this.#deps
    voices.connected(module, runId)
    const view = this.#views.get(module)
    if (view) voices.observe(view)
    const session = new Session(connection, {
      fleet: this.#plan?.fleet ?? '',
      module,
      runId,
      wallMs: () => clock.now().wallMs,
      halt: () => {
        queueMicrotask(() => this.passHalts())
        return this.#haltOf(module)
      },
      heard: message =>
        message.type === 'event' ? happened(module, runId, message) : voices.heard(runId, pid, message),
      isOwn: isBuiltIn(this.#plan ?? {}, module),
      refused: reason => this.#refusals.note(module, reason),
    })
    served.sessions.add(session)
    connection.onClose(() => {
      served.sessions.delete(session)
      voices.disconnected(runId)
    })
  }

  #haltOf(module: string): Halt | null {
    return stricter(this.#told(module), haltOfFiles(this.#deps.state, module))
  }

  #told(module: string): Halt | null {
    const { pauses } = this.#deps
    return stricter(this.#asked(module), pauses.byLadder(module))
  }

  /** By people, so that nothing is held against the module. */
  #asked(module: string): Halt | null {
    return stricter(this.haltByKills(module), this.#deps.pauses.byOperator(module))
  }

  /** What the keeper says and what lies on disk meet within a second: until then it is looked at again. */
  passHalts(): void {
    let differs = false
    for (const [module, { sessions }] of this.#served) {
      const told = this.#told(module)
      this.#deps.voices.setHalted(module, this.#asked(module) !== null)
      if (sessions.size === 0) continue
      const halt = this.#haltOf(module)
      for (const session of sessions) session.setHalt(halt)
      if (halt?.level !== told?.level) differs = true
    }
    if ((!differs && this.#keeperUp) || this.#halts || this.#closed) return
    this.#halts = setTimeout(() => {
      this.#halts = null
      this.passHalts()
    }, RETRY_MS).unref()
  }
}
