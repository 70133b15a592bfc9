/**
 * Arithmetic of what a run uses: percent of a core from counted ticks. Reads nothing.
 */

/**
 * CPU of `ticks` used in `elapsedMs`, in percent of one core to a tenth; null without elapsed time.
 */
export function cpuPercent(ticks: number, elapsedMs: number, ticksPerSecond: number): number | null {
  if (elapsedMs <= 0) return null
  return Math.round(((ticks / ticksPerSecond) * 1000 * 1000) / elapsedMs) / 10
}
