/**
 * Puts the daemon together: what the keeper tells goes to evidence, probes, samples, archive and API, and
 * back go only asks. Each part may fail alone. Decides nothing itself; reads no environment and no arguments.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { SaidRecord } from '../contract/api.ts'
import type { Push } from '../contract/keeper.ts'
import { MarkError } from '../core/errors.ts'
import type { ModuleSpec, Plan } from '../core/plan.ts'
import { type Redactor, redactData, redactor } from '../core/redact.ts'
import type { FleetEvent, ModuleView, StatusDocument } from '../core/view.ts'
import type { Clock } from '../host/clock.ts'
import { readSecretsEnv } from '../host/environment.ts'
import { type Libc, loadLibc } from '../host/libc.ts'
import { livePath } from '../host/log-file.ts'
import { tailLines } from '../host/log-reader.ts'
import type { StateDir } from '../host/state-dir.ts'
import { ulid } from '../host/ulid.ts'
import type { ApiDeps } from './api/deps.ts'
import { StreamHub } from './api/stream.ts'
import { ApiHost } from './api-host.ts'
import { ArchiveClient } from './archive/client.ts'
import { Witness } from './evidence/witness.ts'
import { FleetView, runIdsOf } from './fleet-view.ts'
import { guardedPattern } from './guarded-pattern.ts'
import { ExecPlaces } from './health/exec-place.ts'
import { logSource } from './health/log-source.ts'
import { Prober } from './health/prober.ts'
import { type KeeperConnection, KeeperLink } from './keeper-link.ts'
import { KeeperReports } from './keeper-reports.ts'
import { ModuleSide } from './modules/module-side.ts'
import { JobSide } from './jobs/job-side.ts'
import { RunBook } from './run-book.ts'
import { RunVerdicts } from './run-verdicts.ts'
import { knownSecrets } from './secret-values.ts'
import { Sampler } from './sampling/sampler.ts'
import { UptimeBook } from './uptime/uptime-book.ts'

export interface DaemonOptions {
  readonly state: StateDir
  readonly clock: Clock
  readonly version: string
  readonly pid: number
  readonly credentialsDir: string | undefined
  readonly connect: () => Promise<KeeperConnection>
  /** One line for the daemon's log. */
  readonly say: (line: string) => void
}

export class Daemon {
  readonly #options: DaemonOptions
  readonly #archive: ArchiveClient
  readonly #book: RunBook
  readonly #witness: Witness | null
  readonly #prober: Prober
  readonly #verdicts: RunVerdicts
  readonly #modules: ModuleSide
  readonly #jobs: JobSide
  readonly #places: ExecPlaces
  readonly #sampler: Sampler
  readonly #uptime: UptimeBook
  readonly #view: FleetView
  readonly #stream: StreamHub
  readonly #link: KeeperLink
  readonly #reports: KeeperReports
  readonly #api: ApiHost
  #plan: Plan | null = null
  #redact: Redactor = redactor([])
  #archiveProblem: string | null = null
  #closed = false

  constructor(options: DaemonOptions) {
    const { state, clock, say } = options
    this.#options = options
    this.#archive = new ArchiveClient(
      { archive: state.archive, journal: state.journal, logs: state.logs },
      { imported: exits => this.#imported(exits), problem: problem => this.#archiveChanged(problem) },
    )
    this.#book = new RunBook(runId => this.#archive.ask('startOffset', runId))
    const libc = loadLibc()
    libc?.takeTurns()
    this.#witness =
      libc &&
      new Witness({
        libc,
        state,
        clock,
        report: say,
        closingCode: (runId, pid) => this.#modules.closingCode(runId, pid),
      })
    if (!libc) say('no pidfds here: an exit while the keeper is away may stay unknown')
    this.#reports = new KeeperReports({
      ask: ask => this.#link.ask(ask),
      redact: text => this.#redact(text),
      say,
    })
    this.#verdicts = new RunVerdicts((...found) => this.#reports.found(...found))
    this.#modules = this.#makeModules(libc)
    this.#jobs = this.#makeJobs()
    this.#places = new ExecPlaces(state, options.credentialsDir)
    this.#prober = this.#makeProber()
    this.#sampler = new Sampler(clock, module => [
      livePath(state.logs, module),
      join(state.logs, module),
      join(state.state, module),
    ])
    this.#uptime = new UptimeBook(clock, query => this.#archive.ask('uptime', query))
    this.#view = this.#makeView()
    this.#stream = new StreamHub({
      snapshot: () => this.#view.document(),
      missed: (journalId, seq, limit) => this.#archive.missed(journalId, seq, limit),
    })
    this.#link = new KeeperLink(
      options.connect,
      { pid: options.pid, version: options.version },
      {
        beforeHello: async () => await this.#witness?.settle(),
        up: (plan, status) => this.#up(plan, status),
        planned: (plan, status) => this.#planned(plan, status),
        push: push => this.#push(push),
        down: () => this.#down(),
      },
    )
    this.#api = new ApiHost({ socket: state.daemonSocket, say, api: failed => this.#apiDeps(failed) })
    this.#archive.retainHourly(() => this.#plan?.retention.eventsMs ?? null, clock)
  }

  /** Connects and listens. Never rejects: what fails is tried again. */
  start(): void {
    this.#link.start()
    void this.#api.listen()
  }

  /** Ends in good order; takes well under a second. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#jobs.close()
    this.#link.close()
    this.#prober.close()
    this.#modules.close()
    this.#sampler.close()
    this.#uptime.close()
    this.#witness?.close()
    this.#stream.close()
    await Promise.all([this.#api.close(), this.#archive.close()])
  }

  #makeProber(): Prober {
    const { state, clock } = this.#options
    return new Prober({
      clock,
      probe: async (spec, probe, timeoutMs, view) => {
        const { runProbe } = await import('./health/probe.ts')
        const place = probe.kind === 'exec' ? await this.#place(spec, view.run_id as string) : null
        return await runProbe(probe, timeoutMs, place)
      },
      tell: (...found) => this.#verdicts.found('probe', ...found),
      log: logSource({
        logs: state.logs,
        clock,
        startOf: runId => this.#book.startOf(runId),
        matcher: guardedPattern,
      }),
    })
  }

  #makeModules(libc: Libc | null): ModuleSide {
    const { state, clock, say } = this.#options
    return new ModuleSide({
      state,
      clock,
      libc,
      say,
      tell: (...found) => this.#verdicts.found('heartbeat', ...found),
      move: (...rung) => this.#reports.move(...rung),
      note: (...noted) => this.#reports.note(...noted),
      changed: name => this.#publish(name),
    })
  }

  #makeJobs(): JobSide {
    const { state, clock, say } = this.#options
    return new JobSide({
      clock,
      say,
      logs: state.logs,
      ask: ask => this.#link.ask(ask),
      mintId: () => ulid(clock.now().wallMs, randomBytes),
      startOf: runId => this.#book.startOf(runId),
      used: attempt => this.#sampler.used(attempt.id),
      redact: value => redactData(value, this.#redact) as typeof value,
      alert: (job, runId, reason) => this.#reports.note('alert', job, runId, { reason }),
      began: run => {
        this.#witness?.hold(run)
        this.#sampler.observeAttempt(run)
      },
    })
  }

  #publish(name: string): void {
    const module = this.#view.module(name)
    if (module) this.#stream.publish({ kind: 'module', value: module })
  }

  #place(spec: ModuleSpec, runId: string): ReturnType<ExecPlaces['of']> {
    if (!this.#plan) throw new MarkError('MARK_NOT_RUNNING', 'No plan is known yet.')
    return this.#places.of(this.#plan, spec, runId)
  }

  #makeView(): FleetView {
    return new FleetView({
      resources: module => this.#sampler.resources(module),
      fingerprint: runId => this.#book.fingerprint(runId),
      uptimePercent: module => this.#uptime.percent(module),
      voice: runId => redactData(this.#modules.of(runId), this.#redact) as ReturnType<ModuleSide['of']>,
      paused: module => redactData(this.#modules.paused(module), this.#redact) as string | null,
      jobs: () => this.#jobs.desk.list(),
      degraded: () => [
        ...(this.#archiveProblem === null ? [] : [this.#archiveProblem]),
        ...this.#modules.notes(),
      ],
      nowMs: () => this.#options.clock.now().wallMs,
    })
  }

  #up(plan: Plan | null, status: StatusDocument): void {
    this.#planned(plan, status)
    // They ended while nobody told us.
    for (const runId of this.#modules.missing(new Set(status.modules.flatMap(runIdsOf)))) this.#ended(runId)
    this.#jobs.up(plan, status.kills)
    this.#witness?.linkUp()
    this.#verdicts.reset()
    this.#prober.linkUp()
    this.#modules.linkUp()
    this.#archive.wake()
    if (status.modules.some(module => module.last_exit !== null)) void this.#recallFingerprints()
    this.#uptime.touch(status.modules.map(module => module.name))
    this.#options.say('connected to the keeper')
  }

  #planned(plan: Plan | null, status: StatusDocument): void {
    this.#plan = plan
    if (plan) for (const part of [this.#prober, this.#modules]) part.setPlan(plan)
    this.#jobs.setPlan(plan)
    this.#learnSecrets(plan)
    const names = new Set(status.modules.map(module => module.name))
    this.#view.replace({ ...status, modules: status.modules.map(module => this.#shown(module)) })
    this.#prober.keepOnly(names)
    this.#modules.keepOnly(names)
    this.#modules.setKills(status.kills)
    this.#uptime.keepOnly(names)
    for (const module of status.modules) this.#observe(module)
    this.#watchRuns()
    const attempts = this.#jobs.liveAttempts().map(({ id }) => id)
    this.#witness?.keepOnly(new Set([...status.modules.flatMap(runIdsOf), ...attempts]))
    this.#stream.publish({ kind: 'fleet', value: this.#view.fleet() })
    for (const module of this.#view.modules()) this.#stream.publish({ kind: 'module', value: module })
  }

  #observe(module: ModuleView): void {
    for (const part of [this.#prober, this.#modules]) part.observe(module)
  }

  #learnSecrets(plan: Plan | null): void {
    const { state, credentialsDir } = this.#options
    const values = plan ? knownSecrets(plan, state, credentialsDir) : Object.values(readSecretsEnv(state))
    this.#redact = redactor(values)
    this.#archive.secrets(values)
  }

  /** A module's view without the secrets that its own words may hold. */
  #shown(view: ModuleView): ModuleView {
    const { reason, hold, last_exit } = view
    return { ...view, ...(redactData({ reason, hold, last_exit }, this.#redact) as Partial<ModuleView>) }
  }

  #push(push: Exclude<Push, { push: 'plan' }>): void {
    if (push.push === 'event') {
      this.#happened(push.event)
      return
    }
    if (push.push === 'fleet') {
      this.#view.setFleet(push.fleet)
      this.#modules.setKills(push.fleet.kills)
      this.#jobs.setKills(push.fleet.kills)
      this.#stream.publish({ kind: 'fleet', value: this.#view.fleet() })
      return
    }
    // The keeper's own children, such as this daemon, are no modules.
    if (push.module.name.startsWith('@')) return
    const shown = this.#shown(push.module)
    this.#view.setModule(shown)
    this.#observe(push.module)
    this.#watchRun(push.module)
    this.#stream.publish({ kind: 'module', value: this.#view.complete(shown) })
  }

  #happened(event: FleetEvent): void {
    this.#book.note(event)
    this.#jobs.heard(event)
    if (event.kind === 'exited' && event.run_id !== null) {
      this.#ended(event.run_id)
      this.#witness?.confirmed(event.run_id)
    }
    this.#archive.wake()
    if (event.module !== null && this.#view.has(event.module)) this.#uptime.touch([event.module])
    const data = redactData(event.data, this.#redact) as FleetEvent['data']
    this.#stream.publish({ kind: 'event', value: { ...event, data } })
  }

  /** What was known of it goes to its dossier. */
  #ended(runId: string): void {
    const resources = this.#sampler.history(runId)
    this.#archive.note({ runId, resources, ...this.#modules.forget(runId) })
    this.#verdicts.forget(runId)
    this.#places.forget(runId)
  }

  /** Every live run is held as evidence and sampled. */
  #watchRuns(): void {
    const modules = this.#view.raw()
    this.#sampler.keepOnly(new Set(modules.map(module => module.name)))
    for (const module of modules) this.#watchRun(module)
  }

  #watchRun({ name, pid, run_id: runId, spares }: ModuleView): void {
    const run = pid !== null && runId !== null ? { module: name, runId, pid } : null
    if (run) this.#witness?.hold(run)
    for (const spare of spares) {
      if (spare.pid !== null) this.#witness?.hold({ runId: spare.run_id, pid: spare.pid })
    }
    this.#sampler.observe(name, run)
  }

  #down(): void {
    this.#view.keeperGone()
    this.#prober.linkDown()
    this.#modules.linkDown()
    this.#jobs.down()
    this.#witness?.linkDown()
    this.#stream.publish({ kind: 'fleet', value: this.#view.fleet() })
    if (!this.#closed) this.#options.say('the keeper is away')
  }

  #imported(exits: readonly { module: string; runId: string; fingerprint: string | null }[]): void {
    for (const exit of exits) this.#book.learn(exit.runId, exit.fingerprint)
    const names = new Set(exits.map(exit => exit.module).filter(name => this.#view.has(name)))
    this.#uptime.touch(names)
    for (const name of names) this.#publish(name)
  }

  async #recallFingerprints(): Promise<void> {
    try {
      this.#imported(await this.#archive.ask('fingerprints'))
    } catch {
      // an archive that is off has said so itself
    }
  }

  #archiveChanged(problem: string | null): void {
    this.#options.say(problem ?? 'the archive works again')
    this.#archiveProblem = problem
    if (this.#view.fleet()) this.#stream.publish({ kind: 'fleet', value: this.#view.fleet() })
    if (problem === null) void this.#recallFingerprints()
  }

  #apiDeps(failed: (error: unknown) => void): ApiDeps {
    const { state, clock, version } = this.#options
    return {
      fleet: () => this.#view.document(),
      module: name => this.#view.module(name),
      said: runId => redactData(this.#modules.saidBy(runId), this.#redact) as SaidRecord | null,
      hears: name => this.#modules.hears(name),
      pause: (...order) => this.#modules.pause(...order),
      resume: (...order) => this.#modules.resume(...order),
      keeperUp: () => this.#link.isUp,
      ask: ask => this.#link.ask(ask),
      archive: this.#archive.reads,
      jobs: this.#jobs.desk,
      logs: {
        tail: (module, count, before) =>
          tailLines(state.logs, module, count, before === null ? {} : { before }),
      },
      stream: this.#stream,
      matcher: guardedPattern,
      version,
      nowMs: () => clock.now().wallMs,
      mintKillId: () => `K-${ulid(clock.now().wallMs, randomBytes)}`,
      failed,
    }
  }
}
