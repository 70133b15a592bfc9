/**
 * Whether a restart budget can be spent at all, given the delays before each restart. A budget that its own
 * delays never let a module reach would let it crash for ever in silence.
 */
import type { Budget, RestartSpec } from '../../core/plan.ts'
import { parseDurationMs } from '../../core/time.ts'

type Delays = Pick<RestartSpec, 'delayMs' | 'multiplier' | 'maxDelayMs' | 'jitter'>

export const DEFAULT_BUDGET: readonly Budget[] = [
  { count: 5, windowMs: 600_000 },
  { count: 20, windowMs: 86_400_000 },
]

/** `5/10m`; the schema has checked its form. */
export function parseBudget(text: string): Budget {
  const [count, window] = text.split('/') as [string, string]
  return { count: Number(count), windowMs: parseDurationMs(window) as number }
}

/**
 * Milliseconds from the first to the `count`-th failure of a module that fails the instant it starts, with
 * every delay as short as jitter allows.
 */
export function fastestFailuresMs(count: number, delays: Delays): number {
  let total = 0
  let delay = Math.min(delays.delayMs, delays.maxDelayMs)
  for (let failure = 1; failure < count; failure++) {
    if (delay >= delays.maxDelayMs || delays.multiplier === 1 || delay === 0) {
      return total + (count - failure) * delay * (1 - delays.jitter)
    }
    total += delay * (1 - delays.jitter)
    delay = Math.min(delay * delays.multiplier, delays.maxDelayMs)
  }
  return total
}

export function reachable(budget: Budget, delays: Delays): boolean {
  return budget.count === 1 || fastestFailuresMs(budget.count, delays) < budget.windowMs
}

/** MARK's own budget, its windows widened where long delays would make it unreachable. */
export function stretchedBudget(delays: Delays): Budget[] {
  return DEFAULT_BUDGET.map(budget => {
    if (reachable(budget, delays)) return budget
    return {
      count: budget.count,
      windowMs: Math.ceil(2 * fastestFailuresMs(budget.count, { ...delays, jitter: 0 })),
    }
  })
}
