/**
 * The known name that a person most likely meant: for "did you mean". Pure; says nothing rather than
 * something far.
 */

/** Nearest of `known` by edit distance (a swap of neighbours counts one); null when none is near enough. */
export function nearest(given: string, known: Iterable<string>): string | null {
  const word = given.toLowerCase()
  let best: string | null = null
  let bestDistance = Math.min(Math.max(1, Math.floor(word.length / 3)), 4) + 1
  for (const candidate of known) {
    const distance = editDistance(word, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20) return 99
  let older: number[] = []
  let old = Array.from({ length: b.length + 1 }, (_value, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min((old[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (old[j - 1] ?? 0) + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (older[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    older = old
    old = row
  }
  return old[b.length] ?? 99
}
