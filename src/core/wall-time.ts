/**
 * Wall times as text. A wall time is what a clock on the wall shows, counted in milliseconds as if it showed
 * UTC; the offset of the zone is what it is ahead of UTC. Knows no zones.
 */
const MINUTE_MS = 60_000

/** `2026-03-29 02:30`, with seconds where there are some. */
export function formatWall(wallMs: number): string {
  const [day = '', time = ''] = new Date(wallMs).toISOString().split('T')
  return `${day} ${time.slice(0, time.slice(6, 8) === '00' ? 5 : 8)}`
}

/** RFC 3339 with the offset of the zone: `2026-03-29T03:00:00+02:00`. */
export function formatLocal(ms: number, offsetMs: number): string {
  const text = new Date(ms + offsetMs).toISOString().replace('.000Z', '').replace('Z', '')
  const minutes = Math.abs(Math.trunc(offsetMs / MINUTE_MS))
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${text}${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** RFC 3339 with an offset, in Unix milliseconds; null if it is not one, or not a day of the calendar. */
export function parseRfc3339(text: string): number | null {
  const match =
    /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?(\.\d{1,9})?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/.exec(text)
  if (!match) return null
  const [, day = '', time = '', seconds = ':00', , zone = ''] = match
  const fraction = (match[4] ?? '').slice(0, 4)
  const wall = new Date(`${day}T${time}${seconds}Z`)
  if (Number.isNaN(wall.getTime()) || !wall.toISOString().startsWith(`${day}T${time}${seconds}`)) return null
  return new Date(`${day}T${time}${seconds}${fraction}${zone.toUpperCase()}`).getTime()
}
