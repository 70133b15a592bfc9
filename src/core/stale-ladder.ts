/**
 * The ladder of a module that is alive and yet of no use (stale data, or not in the state it should be in):
 * pause, recover, restart, each a time after it turned stale. Pure. Promises: each rung is taken once; what
 * was paused is resumed as soon as it is fresh again. The warning itself is the keeper's, at once.
 */
import type { LadderSpec } from './plan.ts'
import type { Health } from './view.ts'

export type Rung = 'pause' | 'recover' | 'restart'
export type LadderMove = Rung | 'resume'

export interface Ladder {
  /** Since when it is stale, monotonic; null: it is not. */
  readonly sinceMs: number | null
  readonly taken: readonly Rung[]
}

export const LADDER_OFF: LadderSpec = { pauseMs: null, recoverMs: null, restartMs: null }
export const AT_THE_FOOT: Ladder = { sinceMs: null, taken: [] }
/** A run that was paused by a watcher before us. */
export const FOUND_PAUSED: Ladder = { sinceMs: null, taken: ['pause'] }

const RUNGS = [
  ['pause', 'pauseMs'],
  ['recover', 'recoverMs'],
  ['restart', 'restartMs'],
] as const

/** What is to be done now, in order. A run that is silent or not known stays where it is. */
export function climb(
  spec: LadderSpec,
  ladder: Ladder,
  health: Health,
  nowMs: number,
): { readonly ladder: Ladder; readonly moves: readonly LadderMove[] } {
  if (health === 'healthy') {
    return { ladder: AT_THE_FOOT, moves: ladder.taken.includes('pause') ? ['resume'] : [] }
  }
  if (health !== 'stale') return { ladder, moves: [] }
  const stale: Ladder = { ...ladder, sinceMs: ladder.sinceMs ?? nowMs }
  const moves = RUNGS.flatMap(([rung, key]) => (dueMs(spec, stale, rung, key) <= nowMs ? [rung] : []))
  return { ladder: { ...stale, taken: [...stale.taken, ...moves] }, moves }
}

/** When the next rung is due, monotonic; null: none. */
export function nextRungMs(spec: LadderSpec, ladder: Ladder): number | null {
  const next = Math.min(...RUNGS.map(([rung, key]) => dueMs(spec, ladder, rung, key)))
  return next === Number.POSITIVE_INFINITY ? null : next
}

function dueMs(spec: LadderSpec, ladder: Ladder, rung: Rung, key: keyof LadderSpec): number {
  const afterMs = spec[key]
  if (ladder.sinceMs === null || afterMs === null || ladder.taken.includes(rung)) {
    return Number.POSITIVE_INFINITY
  }
  return ladder.sinceMs + afterMs
}
