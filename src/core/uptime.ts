/**
 * Uptime from transitions, never from samples: up (ready and not unhealthy), down (nobody asked for it), and
 * planned (an operator stopped it, a task completed, it was never started), which counts as neither.
 */
export interface Transition {
  readonly atMs: number
  readonly kind: string
  readonly runId: string | null
  /** `exited`: somebody asked for it. `held`: a person or a kill did, not a failure. */
  readonly asked: boolean
}

export type UptimeState = 'up' | 'down' | 'planned'

export interface Uptime {
  readonly state: UptimeState
  readonly upMs: number
  readonly downMs: number
  readonly plannedMs: number
  /** Up to when this counts, Unix milliseconds. */
  readonly untilMs: number
}

/** Kinds of events that `uptimeOf` looks at. */
export const TRANSITION_KINDS = [
  'started',
  'adopted',
  'ready',
  'exited',
  'stopped',
  'completed',
  'failed',
  'held',
  'unheld',
  'unhealthy',
  'healthy',
] as const

interface Walk {
  readonly state: UptimeState
  /** The run that is up. A predecessor's exit after a reload changes nothing. */
  readonly runId: string | null
}

/**
 * Sums the time between `fromMs` and `toMs`. `transitions` in order of time, of one module; those before
 * `fromMs` only say in which state the window opens. A clock that stepped back counts as no time.
 */
export function uptimeOf(transitions: readonly Transition[], fromMs: number, toMs: number): Uptime {
  const sums = { up: 0, down: 0, planned: 0 }
  let walk: Walk = { state: 'planned', runId: null }
  let atMs = fromMs
  for (const transition of transitions) {
    const until = Math.min(Math.max(transition.atMs, atMs), toMs)
    sums[walk.state] += until - atMs
    atMs = until
    walk = next(walk, transition)
  }
  sums[walk.state] += Math.max(0, toMs - atMs)
  return {
    state: walk.state,
    upMs: sums.up,
    downMs: sums.down,
    plannedMs: sums.planned,
    untilMs: Math.max(toMs, atMs),
  }
}

/** Percent of the time that counts, as of `nowMs` (the last state goes on); null when nothing counts yet. */
export function uptimePercent(uptime: Uptime, nowMs: number): number | null {
  const since = Math.max(0, nowMs - uptime.untilMs)
  const up = uptime.upMs + (uptime.state === 'up' ? since : 0)
  const down = uptime.downMs + (uptime.state === 'down' ? since : 0)
  if (up + down === 0) return null
  return Math.floor((up / (up + down)) * 100_000) / 1000
}

function next(walk: Walk, transition: Transition): Walk {
  const { kind, runId, asked } = transition
  switch (kind) {
    case 'ready':
    case 'healthy':
      return kind === 'healthy' && walk.runId !== runId ? walk : { state: 'up', runId }
    case 'unhealthy':
      return walk.runId === runId && walk.state === 'up' ? { state: 'down', runId } : walk
    case 'exited':
      if (walk.runId !== null && walk.runId !== runId) return walk
      if (asked) return { state: 'planned', runId: null }
      return { state: 'down', runId: null }
    case 'stopped':
    case 'completed':
      return { state: 'planned', runId: null }
    case 'failed':
      return { state: 'down', runId: null }
    case 'held':
      return { state: asked ? 'planned' : 'down', runId: walk.runId }
    default:
      return walk
  }
}
