/**
 * What is to be killed, in which order, from a seed; and how much of it a run must reach to prove anything.
 * Pure: the same seed is the same plan, though the moments depend on the host.
 */

export type Stroke =
  | { readonly kind: 'module'; readonly count: number }
  | { readonly kind: 'keeper' | 'daemon' | 'waiting' }
  /** Keeper and daemon, at most 45 ms apart. */
  | { readonly kind: 'pair'; readonly daemonFirst: boolean; readonly gapMs: number }
  /** The keeper, then its successor before it serves: `at` is the part of that time to let pass. */
  | { readonly kind: 'adopting'; readonly at: number }
  /** Everything of MARK, and a module while nothing of it is there. */
  | { readonly kind: 'all' }
  /** Nothing is killed until this many more orders were filled: a fleet that never trades proves little. */
  | { readonly kind: 'lull'; readonly fills: number }

export interface Step {
  readonly stroke: Stroke
  readonly pauseMs: number
  /** Picks which module. */
  readonly pick: number
}

export interface Minima {
  readonly kills: number
  readonly keeper: number
  readonly daemon: number
  readonly module: number
  readonly pairs: number
  readonly adopting: number
  readonly fills: number
}

/** A lull after so many strokes. */
const LULL_EVERY = 7
const LULL_FILLS = 9

/** At 300 kills: 60 of each kind, 20 pairs, 20 while adopting, 200 fills; in proportion otherwise. */
export function minimaFor(kills: number): Minima {
  const part = (of300: number): number => Math.ceil((of300 * kills) / 300)
  return {
    kills,
    keeper: part(60),
    daemon: part(60),
    module: part(60),
    pairs: part(20),
    adopting: part(20),
    fills: part(200),
  }
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
export function chanceFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Enough strokes for `kills` kills and all minima, with some to spare for those that find nothing to kill.
 */
export function planOf(kills: number, seed: number): Step[] {
  const chance = chanceFrom(seed)
  const minima = minimaFor(kills)
  const count = (of300: number): number => Math.max(1, Math.round((of300 * kills) / 300))
  const pairs = minima.pairs + count(3)
  const adopting = minima.adopting + count(12)
  const all = count(4)
  const keepers = Math.max(count(8), minima.keeper - pairs - 2 * adopting - all)
  const daemons = Math.max(count(8), minima.daemon - pairs - all + count(5))
  const waiting = count(8)
  const strokes: Stroke[] = []
  const add = (times: number, make: () => Stroke): void => {
    for (let index = 0; index < times; index++) strokes.push(make())
  }
  add(pairs, () => ({ kind: 'pair', daemonFirst: chance() < 0.5, gapMs: chance() * 45 }))
  add(adopting, () => ({ kind: 'adopting', at: chance() }))
  add(all, () => ({ kind: 'all' }))
  add(keepers, () => ({ kind: 'keeper' }))
  add(daemons, () => ({ kind: 'daemon' }))
  add(waiting, () => ({ kind: 'waiting' }))
  const spoken = 2 * pairs + 2 * adopting + 4 * all + keepers + daemons + waiting
  let modules = Math.max(minima.module, kills - spoken) + count(12)
  while (modules > 0) {
    const at = Math.min(modules, chance() < 0.8 ? 1 : 2 + Math.floor(chance() * 2))
    strokes.push({ kind: 'module', count: at })
    modules -= at
  }
  const order = strokes.map(stroke => ({ stroke, at: chance() })).sort((a, b) => a.at - b.at)
  const lull: Stroke = { kind: 'lull', fills: LULL_FILLS }
  const steps = order.flatMap(({ stroke }, index) =>
    index % LULL_EVERY === LULL_EVERY - 1 ? [stroke, lull] : [stroke],
  )
  return steps.map(stroke => ({ stroke, pauseMs: Math.round(chance() ** 2 * 900), pick: chance() }))
}
