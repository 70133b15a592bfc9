/** The table that a chaos run ends with. Pure: facts in, lines out. */
import type { Kill } from './killer.ts'
import type { Minima, Stroke } from './schedule.ts'

export interface Check {
  readonly says: string
  /** Empty: it holds. */
  readonly problems: readonly string[]
}

export interface Counts {
  readonly keeper: number
  readonly daemon: number
  readonly module: number
  readonly waiting: number
  readonly pairs: number
  readonly adopting: number
}

/** Keeper and daemon killed within this long of each other are a pair. */
const PAIR_MS = 50
const SHOWN_MAX = 12

export function countsOf(kills: readonly Kill[]): Counts {
  const of = (target: Kill['target']): Kill[] => kills.filter(kill => kill.target === target)
  const [keepers, daemons] = [of('keeper'), of('daemon')]
  const near = (kill: Kill): boolean => daemons.some(other => Math.abs(other.atMs - kill.atMs) <= PAIR_MS)
  return {
    keeper: keepers.length,
    daemon: daemons.length,
    module: of('module').length,
    waiting: of('waiting').length,
    pairs: keepers.filter(near).length,
    adopting: keepers.filter(kill => kill.adopting).length,
  }
}

/** What a run lacks to prove anything; empty when it counts. */
export function shortfalls(counts: Counts, fills: number, minima: Minima): string[] {
  const total = counts.keeper + counts.daemon + counts.module + counts.waiting
  const had: readonly [string, number, number][] = [
    ['kills', total, minima.kills],
    ['kills of the keeper', counts.keeper, minima.keeper],
    ['kills of the daemon', counts.daemon, minima.daemon],
    ['kills of modules', counts.module, minima.module],
    ['keeper and daemon within 50 ms', counts.pairs, minima.pairs],
    ['kills of an adopting keeper', counts.adopting, minima.adopting],
    ['fills', fills, minima.fills],
  ]
  return had
    .filter(([, has, least]) => has < least)
    .map(([what, has, least]) => `${what}: ${has} of ${least}`)
}

/** A stroke that brings a run nearer to its minima; null when it has them. */
export function missingStroke(counts: Counts, fills: number, minima: Minima, chance: number): Stroke | null {
  if (counts.adopting < minima.adopting) return { kind: 'adopting', at: chance }
  if (counts.pairs < minima.pairs) return { kind: 'pair', daemonFirst: chance < 0.5, gapMs: chance * 45 }
  if (counts.keeper < minima.keeper) return { kind: 'keeper' }
  if (counts.daemon < minima.daemon) return { kind: 'daemon' }
  if (shortfalls(counts, fills, { ...minima, fills: 0 }).length > 0) return { kind: 'module', count: 1 }
  return fills < minima.fills ? { kind: 'lull', fills: minima.fills - fills } : null
}

export function table(rows: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
}

export function checkLines(checks: readonly Check[]): string {
  return checks
    .flatMap(({ says, problems }) => {
      const shown = problems.slice(0, SHOWN_MAX).map(problem => `       ${problem}`)
      const more = problems.length - shown.length
      const rest = more > 0 ? [`       and ${more} more`] : []
      return [`${problems.length === 0 ? 'OK  ' : 'FAIL'} ${says}`, ...shown, ...rest]
    })
    .join('\n')
}

/** `p50 / max` of some milliseconds. */
export function spread(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const half = sorted[Math.floor(sorted.length / 2)]
  return half === undefined ? 'none' : `${Math.round(half)} / ${Math.round(sorted.at(-1) as number)}`
}
