/**
 * Time as data. `monoMs` (CLOCK_MONOTONIC, comparable between processes of one boot) serves every delay;
 * `wallMs` (Unix milliseconds) serves calendars and what people read. Nothing here reads a clock.
 */
export interface Instant {
  readonly monoMs: number
  readonly wallMs: number
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }

/** `500ms 3s 5m 1h 14d` in milliseconds (integer >= 0); null if it is not a duration. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text)
  if (!match) return null
  return Math.round(Number(match[1]) * (UNIT_MS[match[2] as string] as number))
}

/** `64K 512M 2G` or plain bytes, in bytes; null if it is not a size. */
export function parseSizeBytes(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)([KMG]?)$/.exec(text)
  if (!match) return null
  return Math.round(Number(match[1]) * (UNIT_BYTES[match[2] as string] as number))
}

/** A duration as mark.yaml writes it, exact: 3000 -> `3s`, 90000 -> `90s`, 1500 -> `1500ms`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit] as number
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`
  }
  return ms === 0 ? '0s' : `${Math.round(ms)}ms`
}

/** RFC 3339 in UTC with milliseconds. The one place where core turns a wall time into text. */
export function formatUtc(wallMs: number): string {
  return new Date(wallMs).toISOString()
}
