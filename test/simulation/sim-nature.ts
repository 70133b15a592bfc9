/**
 * What a simulated process is, and how it behaves: when it dies, with what, and what it leaves behind. All
 * chance comes from one seed.
 */
import type { Exit } from '../../src/core/exit.ts'

/** mulberry32: small, seeded, good enough to explore. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export interface Process {
  readonly pid: number
  readonly runId: string
  readonly module: string
  readonly slot: string
  readonly main: boolean
  readonly startTime: number
  readonly why: string
  alive: boolean
  exit: Exit | null
}

export interface Nature {
  /** Mean time between its own deaths; Infinity: it lives until it is told. */
  crashEveryMs: number
  codes: readonly number[]
  readyAfterMs: number
  /** Chance that it ignores the stop signal. */
  stubborn: number
  /** Chance that it leaves a helper behind. */
  litters: number
  refuses: number
}
