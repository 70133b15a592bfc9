/**
 * What `--since` takes: a span back from now, or a time.
 */
import { MarkError } from '../core/errors.ts'
import { parseDurationMs } from '../core/time.ts'

/** Unix milliseconds. `10m`, `2026-01-31T09:00:00Z`, `2026-01-31 09:00` (local), `09:00` (today, local). */
export function parseSince(text: string, nowMs: number): number {
  const spanMs = parseDurationMs(text)
  if (spanMs !== null) return nowMs - spanMs
  const time = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text)
  if (time) {
    const at = new Date(nowMs)
    at.setHours(Number(time[1]), Number(time[2]), Number(time[3] ?? 0), 0)
    return at.getTime()
  }
  const at = /^\d{4}-\d{2}-\d{2}([ T]|$)/.test(text)
    ? Date.parse(dateOnly(text) ? `${text}T00:00:00` : text.replace(' ', 'T'))
    : Number.NaN
  if (!Number.isNaN(at)) return at
  throw new MarkError(
    'MARK_USAGE',
    `--since does not take \`${text}\`.`,
    'give a span such as 10m or 2h, or a time such as 2026-01-31T09:00:00Z.',
  )
}

function dateOnly(text: string): boolean {
  return text.length === 10
}
