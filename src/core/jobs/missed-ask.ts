/** `missed: ask`: what a person is told of the instants that passed, and the order that runs them. */
import { formatUtc } from '../time.ts'

/** Instants that one order may run. */
export const BACKFILL_MAX = 1000

/** `instants`: those that were missed, Unix ms. */
export function missedAskText(job: string, instants: readonly number[]): string {
  const sorted = [...instants].sort((a, b) => a - b)
  const newest = sorted.slice(-BACKFILL_MAX)
  // Not later: an order for a time that is not over is refused.
  const [from = 0, until = 0] = [newest[0], (newest.at(-1) ?? 0) + 1]
  const order = `mark job backfill ${job} --from ${formatUtc(from)} --until ${formatUtc(until)}`
  const passed = 'passed while nobody watched the clock, and did not run (missed: ask)'
  if (sorted.length === 1) return `its instant ${formatUtc(from)} ${passed}; \`${order}\` runs it`
  if (newest.length < sorted.length)
    return `more than ${BACKFILL_MAX} instants ${passed}; \`${order}\` runs the newest ${BACKFILL_MAX}`
  return `${sorted.length} instants ${passed}; \`${order}\` runs them`
}
