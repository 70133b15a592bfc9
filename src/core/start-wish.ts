/** Whether applying a plan starts what does not run, or why it stays as it is. */
import type { Child } from './child.ts'
import type { Change } from './plan.ts'

/** null: it is started. `first`: nothing ran before this call; `named`: it was asked for by its name. */
export function whyItStays(
  child: Child,
  change: Change,
  call: { first: boolean; named: boolean },
): string | null {
  if (child.phase === 'held') return `held: ${child.reason}`
  const changed = change.change === 'start' || change.change === 'restart'
  if (call.named || changed) return null
  const rested = child.desired === 'down'
  if (rested) return `stopped by an operator; \`mark start ${child.spec.name}\` starts it`
  if (child.outcome === 'completed' && !call.first) return 'completed before'
  return null
}
