/**
 * Equal parts of a document kept once: what ten thousand jobs have in common costs no more than one. Pure;
 * for JSON values that nobody changes.
 */
export function shareEqual<T>(document: T): T {
  const known = new Map<string, unknown>()
  const share = (value: unknown): unknown => {
    if (value === null || typeof value !== 'object') return value
    const text = JSON.stringify(value)
    // What is large is hardly there twice, and its text would be the largest thing in memory.
    const isSmall = text.length <= TEXT_MAX
    const twin = isSmall ? known.get(text) : undefined
    if (twin !== undefined) return twin
    const parts = Array.isArray(value)
      ? value.map(share)
      : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, share(part)]))
    if (isSmall) known.set(text, parts)
    return parts
  }
  return share(document) as T
}

const TEXT_MAX = 600
