/**
 * Topics and filters of MQTT 3.1.1 as the link uses them (docs/link.md). Pure and total: any text may be
 * asked about. `+` and `#` at the first level never match a topic that begins with `$`.
 */

export const TOPIC_MAX_BYTES = 1024

/** Whether a message may be published under it. */
export function isTopic(text: string): boolean {
  return isShort(text) && !/[+#\0]/.test(text)
}

export function isFilter(text: string): boolean {
  if (!isShort(text) || text.includes('\0')) return false
  const levels = text.split('/')
  return levels.every((level, at) =>
    level === '#' ? at === levels.length - 1 : level === '+' || !/[+#]/.test(level),
  )
}

export function matches(filter: string, topic: string): boolean {
  return covers(filter, topic)
}

/** Whether `allowed` matches all that `filter` matches. */
export function covers(allowed: string, filter: string): boolean {
  if (filter.startsWith('$') && !allowed.startsWith('$')) return false
  const wide = allowed.split('/')
  const narrow = filter.split('/')
  for (const [at, level] of wide.entries()) {
    if (level === '#') return true
    const asked = narrow[at]
    if (asked === undefined || asked === '#') return false
    if (level !== '+' && level !== asked) return false
  }
  return narrow.length === wide.length
}

/** The level of a request's topic that says what is asked for. */
export function isRequestName(text: string): boolean {
  return isTopic(text) && !text.includes('/')
}

function isShort(text: string): boolean {
  return text !== '' && text.length <= TOPIC_MAX_BYTES && text.split('/').length <= 100
}
