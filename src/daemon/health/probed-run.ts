/**
 * What the prober remembers of one run, what it makes of it, and when it wants to look again. Pure.
 */
import type { HealthWatch, ReadyWatch, SilenceWatch } from '../../core/health.ts'
import type { ModuleSpec } from '../../core/plan.ts'
import type { ModuleView } from '../../core/view.ts'

export interface ProbedRun {
  view: ModuleView
  spec: ModuleSpec
  readonly probesKey: string
  begun: boolean
  ready: ReadyWatch | null
  readyProbeAtMs: number
  health: HealthWatch | null
  silence: SilenceWatch | null
  probing: boolean
  /** Last verdict the keeper was told. */
  told: Verdict['found'] | null
  logWatch: { close(): void } | null
  logProblem: string | null
}

/**
 * The runs of a module that may have to be probed: its own, and the incoming one of a reload, which the
 * keeper shows as a spare. Run ids sort by time, so an older spare is the run that is being replaced.
 */
export function runsOf(view: ModuleView): ModuleView[] {
  const incoming = view.spares.find(
    spare => spare.pid !== null && (view.run_id === null || spare.run_id > view.run_id),
  )
  if (!incoming) return [view]
  const { run_id, pid } = incoming
  return [
    view,
    { ...view, name: incomingName(view.name), state: 'starting', run_id, pid, started_at: null, spares: [] },
  ]
}

/** The keeper's name for the incoming run of a reload. */
export function incomingName(module: string): string {
  return `${module}~next`
}

export interface Verdict {
  readonly found: 'ready' | 'unready' | 'healthy' | 'unhealthy'
  readonly reason: string
}

/** What the keeper should know of this run now; null: nothing yet. */
export function verdictOf(run: ProbedRun): Verdict | null {
  if (run.ready) {
    if (run.ready.verdict === 'waiting') return null
    if (run.ready.verdict === 'ready') return { found: 'ready', reason: run.ready.reason }
    const why =
      run.logProblem ?? (run.spec.ready.kind === 'log' ? 'no line of its log fitted' : run.ready.reason)
    return { found: 'unready', reason: `not ready in time: ${why}` }
  }
  if (run.silence?.silent) {
    return { found: 'unhealthy', reason: `no log line for ${Math.round((run.spec.silenceMs ?? 0) / 1000)} s` }
  }
  if (run.health) {
    if (run.health.verdict === 'unknown') return null
    return { found: run.health.verdict, reason: run.health.reason }
  }
  return run.silence ? { found: 'healthy', reason: 'its log goes on' } : null
}

/** Earliest monotonic time at which something is due for this run; infinity: nothing. */
export function wakeOf(run: ProbedRun, nowMs: number, readyTickMs: number, connected: boolean): number {
  const wakes: number[] = []
  if (run.ready?.verdict === 'waiting') {
    if (connected) wakes.push((run.ready.sinceMs ?? nowMs) + Math.min(run.ready.remainingMs, readyTickMs))
    const { kind } = run.spec.ready
    if (kind !== 'log' && !run.probing) wakes.push(Math.max(nowMs, run.readyProbeAtMs))
  }
  if (run.health && !run.probing) wakes.push(run.health.wakeAtMs)
  if (run.silence) wakes.push(run.silence.wakeAtMs)
  return Math.min(Number.POSITIVE_INFINITY, ...wakes)
}
