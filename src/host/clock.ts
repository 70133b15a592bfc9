/**
 * The two clocks and chance, as one thing that tests can replace. Nothing else in MARK reads a clock for a
 * decision.
 */
import type { Instant } from '../core/time.ts'

export interface Clock {
  now(): Instant
  /** A number in [0, 1), for jitter. */
  chance(): number
}

/** `monoMs` is CLOCK_MONOTONIC: comparable between processes of one boot. */
export const systemClock: Clock = {
  now: () => ({ monoMs: Number(process.hrtime.bigint() / 1000n) / 1000, wallMs: Date.now() }),
  chance: () => Math.random(),
}

export interface FakeClock extends Clock {
  /** Moves both clocks forward. */
  advance(ms: number): void
  /** A step of the wall clock alone, as an administrator or NTP makes it. */
  stepWall(ms: number): void
}

/** A clock that moves only when told to; `chance` always answers `chance` (default 0.5). */
export function fakeClock(start: Partial<Instant> = {}, chance = 0.5): FakeClock {
  let monoMs = start.monoMs ?? 1_000_000
  let wallMs = start.wallMs ?? Date.UTC(2026, 0, 1)
  return {
    now: () => ({ monoMs, wallMs }),
    chance: () => chance,
    advance(ms) {
      monoMs += ms
      wallMs += ms
    },
    stepWall(ms) {
      wallMs += ms
    },
  }
}
