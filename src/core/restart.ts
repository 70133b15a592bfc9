/**
 * When a failed module may run again: delay with growth and jitter, and budgets counted over restart times.
 * Promise: with `hold`, at most `count` restarts lie in any window of each budget.
 */
import type { Budget, RestartSpec } from './plan.ts'

export interface RestartMemory {
  /** Failures in a row since it was last ready for reset_after. */
  readonly attempt: number
  /** Instants (monotonic ms) of restarts after failures, oldest first; only as many as a budget can need. */
  readonly restartsAt: readonly number[]
  /** A budget is spent: said once, until the memory is cleared or the windows have room again. */
  readonly spent: boolean
}

export const FRESH_MEMORY: RestartMemory = { attempt: 0, restartsAt: [], spent: false }

export type RestartDecision =
  | {
      readonly kind: 'restart'
      readonly atMs: number
      readonly memory: RestartMemory
      readonly newlySpent: string | null
    }
  | { readonly kind: 'hold'; readonly memory: RestartMemory; readonly reason: string }

/**
 * Delay before restart number `attempt` (0 = first). `chance` in 0..1 sets the jitter; never above max_delay.
 */
export function restartDelayMs(spec: RestartSpec, attempt: number, chance: number): number {
  const grown = Math.min(spec.delayMs * spec.multiplier ** Math.min(attempt, 64), spec.maxDelayMs)
  return Math.min(Math.round(grown * (1 + spec.jitter * (2 * chance - 1))), spec.maxDelayMs)
}

/** A counted failure at `nowMs`: when to restart, or that it is held because a budget is spent. */
export function restartAfterFailure(
  spec: RestartSpec,
  memory: RestartMemory,
  nowMs: number,
  chance: number,
): RestartDecision {
  const atMs = nowMs + restartDelayMs(spec, memory.attempt, chance)
  const exhausted = spec.budget.find(budget => restartsIn(memory.restartsAt, atMs, budget) >= budget.count)
  const next = remember(spec, memory, atMs)
  if (!exhausted) return { kind: 'restart', atMs, memory: { ...next, spent: false }, newlySpent: null }
  const reason = `${exhausted.count} restarts within ${Math.round(exhausted.windowMs / 1000)} s`
  if (spec.whenSpent === 'hold') return { kind: 'hold', memory: { ...memory, spent: true }, reason }
  const slowAtMs = Math.max(atMs, nowMs + spec.maxDelayMs)
  const slow = remember(spec, memory, slowAtMs)
  return {
    kind: 'restart',
    atMs: slowAtMs,
    memory: { ...slow, spent: true },
    newlySpent: memory.spent ? null : reason,
  }
}

/** How many of the restarts lie within one window that ends at `atMs`. */
function restartsIn(restartsAt: readonly number[], atMs: number, budget: Budget): number {
  return restartsAt.filter(restart => restart > atMs - budget.windowMs).length
}

function remember(spec: RestartSpec, memory: RestartMemory, atMs: number): RestartMemory {
  const most = Math.max(0, ...spec.budget.map(budget => budget.count))
  return {
    ...memory,
    attempt: memory.attempt + 1,
    restartsAt: most === 0 ? [] : [...memory.restartsAt, atMs].slice(-most),
  }
}
