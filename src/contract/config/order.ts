/**
 * Order of start: every module after all it depends on, otherwise as declared. Or the cycle that makes it
 * impossible.
 */
export type Ordered =
  | { readonly ok: true; readonly names: readonly string[] }
  | { readonly ok: false; readonly cycle: readonly string[] }

/**
 * `dependencies` of names that are not in `names` are ignored. The cycle begins and ends with the same
 * name.
 */
export function inDependencyOrder(
  names: readonly string[],
  dependencies: (name: string) => readonly string[],
): Ordered {
  const known = new Set(names)
  const done = new Set<string>()
  const order: string[] = []
  for (const start of names) {
    const path: { name: string; next: number }[] = done.has(start) ? [] : [{ name: start, next: 0 }]
    while (path.length > 0) {
      const here = path.at(-1) as { name: string; next: number }
      const needs = dependencies(here.name).filter(name => known.has(name))
      const need = needs[here.next++]
      if (need === undefined) {
        path.pop()
        done.add(here.name)
        order.push(here.name)
      } else if (!done.has(need)) {
        const open = path.findIndex(step => step.name === need)
        if (open >= 0) return { ok: false, cycle: [...path.slice(open).map(step => step.name), need] }
        path.push({ name: need, next: 0 })
      }
    }
  }
  return { ok: true, names: order }
}
