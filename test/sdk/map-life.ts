/**
 * The operations of a map that is killed again and again: what the n-th does follows from n alone, so whoever
 * knows n knows the whole state.
 */
import type { Json, MapChange } from '../../src/sdk/sdk.ts'

const KEYS = 20

/** Three keys at once: a state that is half of it cannot be taken for another. */
export function operate(n: number, map: MapChange): void {
  const dice = Math.imul(n + 1, 2_654_435_761) >>> 0
  map.set('n', n)
  map.set(`k${dice % KEYS}`, { n, text: 'x'.repeat(dice % 3000) })
  map.delete(`k${(dice >>> 8) % KEYS}`)
}

/** The state after operation `n`, told forward from any state before it. */
export class ModelMap implements MapChange {
  readonly values = new Map<string, Json>()
  #done = -1

  upTo(n: number): ReadonlyMap<string, Json> {
    for (; this.#done < n; this.#done++) operate(this.#done + 1, this)
    return this.values
  }

  get(key: string): Json | undefined {
    return this.values.get(key)
  }

  has(key: string): boolean {
    return this.values.has(key)
  }

  set(key: string, value: Json): void {
    this.values.set(key, value)
  }

  delete(key: string): boolean {
    return this.values.delete(key)
  }
}
