/**
 * A zone as core's rules need it, from the zone data in Node. Looks up each year once and keeps it. Promises
 * every change of the clock to the second; two changes within a day that undo each other are not seen.
 */
import type { Stretch, TimeZone } from '../../core/cron-instants.ts'

const DAY_MS = 86_400_000
const zones = new Map<string, TimeZone>()

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** Throws RangeError for a name that is no zone. */
export function timeZone(name: string): TimeZone {
  const known = zones.get(name)
  if (known) return known
  const offsetAt = offsets(name)
  const years = new Map<number, readonly Stretch[]>()
  const zone: TimeZone = {
    stretchAt: ms => {
      const year = new Date(ms).getUTCFullYear()
      const stretches = years.get(year) ?? stretchesOf(year, offsetAt)
      years.set(year, stretches)
      return stretches.find(({ untilMs }) => ms < untilMs) as Stretch
    },
  }
  zones.set(name, zone)
  return zone
}

/** Wall time minus UTC at an instant, in milliseconds. */
function offsets(name: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return ms => {
    const parts = format.formatToParts(ms)
    const part = (type: string): number => Number(parts.find(one => one.type === type)?.value)
    const wall = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    )
    return wall - Math.floor(ms / 1000) * 1000
  }
}

function stretchesOf(year: number, offsetAt: (ms: number) => number): Stretch[] {
  const end = Date.UTC(year + 1, 0)
  const stretches: Stretch[] = []
  let fromMs = Date.UTC(year, 0)
  let offsetMs = offsetAt(fromMs)
  for (let day = fromMs; day < end; day += DAY_MS) {
    const tomorrow = day + DAY_MS
    const next = offsetAt(tomorrow)
    if (next === offsetMs) continue
    const untilMs = changeBetween(day, tomorrow, offsetMs, offsetAt)
    stretches.push({ fromMs, untilMs, offsetMs })
    fromMs = untilMs
    offsetMs = next
  }
  stretches.push({ fromMs, untilMs: end, offsetMs })
  return stretches.filter(stretch => stretch.fromMs < stretch.untilMs)
}

/** The second with which the offset is another one. */
function changeBetween(from: number, to: number, was: number, offsetAt: (ms: number) => number): number {
  let [low, high] = [from, to]
  while (high - low > 1000) {
    const middle = low + Math.floor((high - low) / 2000) * 1000
    if (offsetAt(middle) === was) low = middle
    else high = middle
  }
  return high
}
