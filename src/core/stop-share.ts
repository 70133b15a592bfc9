/**
 * How a short time is shared out when a whole fleet must stop in it: each module gets its part, so that a
 * deaf one at the head of the chain never costs those behind it their grace. Pure.
 */
import type { ModuleSpec } from './plan.ts'

/**
 * Stop waves that are still to come when `name` begins to stop, its own included: 1 plus the longest chain of
 * live modules that it depends on.
 */
export function wavesLeft(modules: readonly ModuleSpec[], name: string, live: ReadonlySet<string>): number {
  const specs = new Map(modules.map(spec => [spec.name, spec]))
  const known = new Map<string, number>()
  const wavesOf = (module: string): number => {
    const before = known.get(module)
    if (before !== undefined) return before
    known.set(module, 1) // no plan has a ring; this ends one all the same
    const below = specs.get(module)?.dependsOn.filter(dependency => live.has(dependency.name)) ?? []
    const waves = 1 + Math.max(0, ...below.map(dependency => wavesOf(dependency.name)))
    known.set(module, waves)
    return waves
  }
  return wavesOf(name)
}

/** What is left, in equal parts for this wave and those after it, ms: they get what this one does not use. */
export function shareMs(leftMs: number, waves: number): number {
  return Math.max(0, Math.floor(leftMs / Math.max(1, waves)))
}
