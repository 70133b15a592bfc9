/**
 * Arithmetic of what a run uses: percent of a core from counted ticks, a bounded ring of samples. Reads
 * nothing.
 */
export interface TreeSample {
  readonly monoMs: number
  /** User and system ticks per process, by pid and start time, so that a reused pid is another process. */
  readonly ticks: ReadonlyMap<string, number>
  readonly rssBytes: number
}

export interface ResourceSample {
  readonly wallMs: number
  readonly cpuPercent: number | null
  readonly memoryBytes: number
}

/**
 * CPU between two samples of one tree in percent of one core; null without elapsed time. What a process that
 * is gone used after the first sample is not known and not counted; a new one counts from its start.
 */
export function cpuPercent(before: TreeSample, after: TreeSample, ticksPerSecond: number): number | null {
  const elapsedMs = after.monoMs - before.monoMs
  if (elapsedMs <= 0) return null
  let ticks = 0
  for (const [key, value] of after.ticks) ticks += Math.max(0, value - (before.ticks.get(key) ?? 0))
  return Math.round(((ticks / ticksPerSecond) * 1000 * 1000) / elapsedMs) / 10
}

/** The newest `limit` of samples and one more. */
export function pushSample<T>(ring: readonly T[], sample: T, limit: number): readonly T[] {
  return ring.length < limit ? [...ring, sample] : [...ring.slice(ring.length - limit + 1), sample]
}
