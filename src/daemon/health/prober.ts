/**
 * Watches every run that is to be probed: readiness while it starts, health and silence once it is ready.
 * Tells the keeper only when a verdict changes, and everything again after the link was down (levels, not
 * edges). One timer for all runs; one probe at a time per run. Decides nothing about restarts and never ends
 * a process of a module.
 */
import {
  type ProbeResult,
  passReady,
  stepHealth,
  stepReady,
  stepSilence,
  watchHealth,
  watchReady,
  watchSilence,
} from '../../core/health.ts'
import type { ModuleSpec, Plan, Probe } from '../../core/plan.ts'
import type { ModuleView } from '../../core/view.ts'
import type { Clock } from '../../host/clock.ts'
import { incomingName, type ProbedRun, runsOf, type Verdict, verdictOf, wakeOf } from './probed-run.ts'

export interface ProberDeps {
  readonly clock: Clock
  readonly probe: (
    spec: ModuleSpec,
    probe: Probe,
    timeoutMs: number,
    view: ModuleView,
  ) => Promise<ProbeResult>
  readonly tell: (module: string, runId: string, found: Verdict['found'], reason: string) => void
  readonly log: LogSource
}

export interface LogSource {
  /** Calls `matched` once when a line of this run fits; `failed` when the pattern cannot be used. */
  watchFor(
    run: { module: string; runId: string; pattern: string },
    matched: (line: string) => void,
    failed: (reason: string) => void,
  ): { close(): void }
  /** Size of the module's log (logical bytes) and the time since its last byte by the wall clock. */
  look(module: string): { sizeBytes: number; ageMs: number | null }
}

/** While a readiness timeout runs it is counted at least this often. */
const READY_TICK_MS = 1000

export class Prober {
  readonly #deps: ProberDeps
  readonly #runs = new Map<string, ProbedRun>()
  #specs = new Map<string, ModuleSpec>()
  #connected = false
  #closed = false
  #timer: NodeJS.Timeout | null = null

  constructor(deps: ProberDeps) {
    this.#deps = deps
  }

  /** A new plan: changed probes take effect in running runs. */
  setPlan(plan: Plan): void {
    this.#specs = new Map(plan.modules.map(spec => [spec.name, spec]))
    for (const run of [...this.#runs.values()]) {
      const spec = this.#specs.get(moduleOf(run.view.name))
      if (spec && JSON.stringify([spec.ready, spec.health, spec.silenceMs]) === run.probesKey) run.spec = spec
      else this.#drop(run)
    }
  }

  /** The keeper's newest view of one module. */
  observe(module: ModuleView): void {
    const runs = runsOf(module)
    const incoming = this.#runs.get(incomingName(module.name))
    if (incoming && runs.length === 1) this.#drop(incoming)
    for (const view of runs) this.#observeRun(view)
    this.#schedule()
  }

  /** The keeper's whole view: modules that are not in it are not there any more. */
  keepOnly(modules: ReadonlySet<string>): void {
    for (const run of [...this.#runs.values()]) if (!modules.has(moduleOf(run.view.name))) this.#drop(run)
  }

  /** Timeouts stand still from now on. Probes go on, so that the answer is there when the keeper is back. */
  linkDown(): void {
    this.#connected = false
    this.#count()
  }

  /** Everything that is known is told again. */
  linkUp(): void {
    this.#count()
    this.#connected = true
    for (const run of this.#runs.values()) {
      run.told = null
      if (run.ready) run.ready = { ...run.ready, sinceMs: this.#deps.clock.now().monoMs }
      this.#tell(run)
    }
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    for (const run of [...this.#runs.values()]) this.#drop(run)
    if (this.#timer) clearTimeout(this.#timer)
  }

  #observeRun(view: ModuleView): void {
    const run = this.#runs.get(view.name)
    if (run && (run.view.run_id !== view.run_id || !probed(view))) this.#drop(run)
    if (!probed(view)) return
    const current = this.#runs.get(view.name) ?? this.#take(view)
    if (!current) return
    const before = current.view.state
    current.view = view
    if (before !== view.state || !current.begun) this.#begin(current)
  }

  #take(view: ModuleView): ProbedRun | null {
    const spec = this.#specs.get(moduleOf(view.name))
    if (!spec) return null
    const probesKey = JSON.stringify([spec.ready, spec.health, spec.silenceMs])
    const run: ProbedRun = {
      view,
      spec,
      probesKey,
      begun: false,
      ready: null,
      readyProbeAtMs: 0,
      health: null,
      silence: null,
      probing: false,
      told: null,
      logWatch: null,
      logProblem: null,
    }
    this.#runs.set(view.name, run)
    return run
  }

  #begin(run: ProbedRun): void {
    run.begun = true
    const nowMs = this.#deps.clock.now().monoMs
    const { spec, view } = run
    if (view.state === 'starting' && spec.ready.kind !== 'delay' && spec.ready.kind !== 'notify') {
      run.ready = { ...watchReady(spec.ready.timeoutMs, nowMs), sinceMs: this.#connected ? nowMs : null }
      run.readyProbeAtMs = nowMs
      if (spec.ready.kind === 'log') this.#watchLog(run, spec.ready.pattern)
      return
    }
    if (view.state !== 'ready') return
    this.#endReadiness(run)
    if (spec.health && !run.health) {
      const spread = this.#deps.clock.chance() * Math.min(spec.health.intervalMs, 1000)
      run.health = watchHealth(spec.health, startedMs(view, this.#deps.clock), nowMs + spread)
    }
    if (spec.silenceMs !== null && !run.silence) {
      const { sizeBytes } = this.#deps.log.look(moduleOf(view.name))
      run.silence = watchSilence(spec.silenceMs, sizeBytes, nowMs)
    }
  }

  #watchLog(run: ProbedRun, pattern: string): void {
    run.logWatch?.close()
    run.logWatch = this.#deps.log.watchFor(
      { module: moduleOf(run.view.name), runId: run.view.run_id as string, pattern },
      () => this.#readyResult(run, { ok: true, reason: 'its log says so' }),
      reason => {
        run.logProblem = reason
      },
    )
  }

  #readyResult(run: ProbedRun, result: ProbeResult): void {
    if (!run.ready || !this.#runs.has(run.view.name)) return
    run.ready = stepReady(run.ready, result)
    this.#tell(run)
  }

  /** Counts readiness timeouts up to now. */
  #count(): void {
    const nowMs = this.#deps.clock.now().monoMs
    for (const run of this.#runs.values()) {
      if (!run.ready || (!this.#connected && run.ready.sinceMs === null)) continue
      run.ready = passReady(run.ready, nowMs, this.#connected)
    }
  }

  /** Does all that is due; called by the timer, and by tests with a fake clock. */
  tick(): void {
    this.#count()
    const nowMs = this.#deps.clock.now().monoMs
    for (const run of this.#runs.values()) {
      this.#tickReady(run, nowMs)
      if (run.health && run.spec.health && nowMs >= run.health.wakeAtMs) this.#probeHealth(run)
      if (run.silence && run.spec.silenceMs !== null && nowMs >= run.silence.wakeAtMs) {
        const look = this.#deps.log.look(moduleOf(run.view.name))
        run.silence = stepSilence(run.silence, run.spec.silenceMs, look, nowMs)
      }
      this.#tell(run)
    }
    this.#schedule()
  }

  #tickReady(run: ProbedRun, nowMs: number): void {
    const { ready } = run.spec
    if (run.ready?.verdict !== 'waiting' || run.probing || nowMs < run.readyProbeAtMs) return
    if (ready.kind !== 'http' && ready.kind !== 'tcp' && ready.kind !== 'exec') return
    run.probing = true
    const timeoutMs = Math.max(1, Math.min(ready.timeoutMs, 10_000))
    void this.#ask(run, ready, timeoutMs).then(result => {
      run.readyProbeAtMs = this.#deps.clock.now().monoMs + ready.intervalMs
      this.#readyResult(run, result)
    })
  }

  #probeHealth(run: ProbedRun): void {
    const spec = run.spec.health
    if (!spec || run.probing) return
    run.probing = true
    void this.#ask(run, spec.probe, spec.timeoutMs).then(result => {
      if (run.health) run.health = stepHealth(run.health, spec, result, this.#deps.clock.now().monoMs)
      this.#tell(run)
    })
  }

  async #ask(run: ProbedRun, probe: Probe, timeoutMs: number): Promise<ProbeResult> {
    try {
      return await this.#deps.probe(run.spec, probe, timeoutMs, run.view)
    } catch (error) {
      return { ok: false, reason: `the probe itself failed: ${(error as Error).message}` }
    } finally {
      run.probing = false
      queueMicrotask(() => this.#schedule())
    }
  }

  #tell(run: ProbedRun): void {
    const verdict = verdictOf(run)
    if (!verdict || !this.#connected || this.#runs.get(run.view.name) !== run) return
    if (run.told === verdict.found) return
    run.told = verdict.found
    this.#deps.tell(run.view.name, run.view.run_id as string, verdict.found, verdict.reason)
  }

  #endReadiness(run: ProbedRun): void {
    run.ready = null
    run.logWatch?.close()
    run.logWatch = null
  }

  #drop(run: ProbedRun): void {
    this.#endReadiness(run)
    this.#runs.delete(run.view.name)
  }

  #schedule(): void {
    if (this.#closed) return
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const nowMs = this.#deps.clock.now().monoMs
    const wakes = [...this.#runs.values()].map(run => wakeOf(run, nowMs, READY_TICK_MS, this.#connected))
    const earliest = Math.min(Number.POSITIVE_INFINITY, ...wakes)
    if (earliest === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.tick(), Math.max(1, Math.ceil(earliest - nowMs)))
    this.#timer.unref()
  }
}

export function moduleOf(child: string): string {
  return child.endsWith('~next') ? child.slice(0, -'~next'.length) : child
}

function probed(view: ModuleView): boolean {
  return view.run_id !== null && (view.state === 'starting' || view.state === 'ready')
}

/**
 * Monotonic start of a run, from its wall time: only used for the start period, so a clock step does little.
 */
function startedMs(view: ModuleView, clock: Clock): number {
  const now = clock.now()
  const wallMs = view.started_at === null ? Number.NaN : Date.parse(view.started_at)
  return Number.isNaN(wallMs) ? now.monoMs : now.monoMs - Math.max(0, now.wallMs - wallMs)
}
