/** One reading of all clocks. Node's wall clock is no finer than a millisecond, and of unknown quality. */
export interface Moment {
  readonly unix_ns: bigint
  readonly iso: string
  /** Never steps; of this boot. */
  readonly monotonic_ns: bigint
  /** How far the wall clock may be off; null: not known, as always in Node. */
  readonly offset_ms: number | null
  readonly quality: 'synchronised' | 'unsynchronised' | 'unknown'
}

export function now(): Moment {
  const monotonic = process.hrtime.bigint()
  const ms = Date.now()
  return {
    unix_ns: BigInt(ms) * 1_000_000n,
    iso: new Date(ms).toISOString(),
    monotonic_ns: monotonic,
    offset_ms: null,
    quality: 'unknown',
  }
}
