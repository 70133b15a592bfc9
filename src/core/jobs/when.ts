/**
 * Whether `when:` allows an instant, and why not: pure. Days and hours of a calendar are of its zone;
 * `active` is of the zone of who asks; `exclude` is of the calendar's zone where there is one. Promises: the
 * answer changes only at an edge (midnight, an opening, a closing, an end of the waking time), so that the
 * walk back over edges misses none. What the calendar's data do not reach is refused, and said to be unknown.
 */
import type { TimeZone } from '../cron-instants.ts'
import { type Calendar, closeMinuteOf, isTradingDay, sessionAt, sessionOf } from './calendar.ts'
import type { ActiveHours, WhenSpec } from './when-spec.ts'
import { addDays, dayAt, instantOf, minuteAt, minuteText, weekdayOf } from './local-day.ts'

export type Allowed =
  | { readonly allowed: true }
  /** `known` false: the calendar's data do not say; the caller decides what that means. */
  | { readonly allowed: false; readonly reason: string; readonly known: boolean }

const YES: Allowed = { allowed: true }
const FULL_DAY_MINUTE = 1440
const DAY_NAMES = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** `calendar`: the one that `when` names, null if it names none; `zone`: of who asks. */
export function allowedAt(when: WhenSpec, calendar: Calendar | null, zone: TimeZone, ms: number): Allowed {
  const day = dayAt(calendar?.zone ?? zone, ms)
  if (when.exclude.includes(day)) return no(`${day} is excluded`)
  if (when.calendar !== null) {
    const answer = calendar === null ? unknown(when.calendar, day) : byCalendar(when, calendar, day, ms)
    if (!answer.allowed) return answer
  }
  if (when.active === null || isActive(when.active, zone, ms)) return YES
  return no(`outside ${activeText(when.active)}`)
}

/**
 * For how long before `ms` it was allowed without a break, at most `mostMs`; 0: it is not. What is not known
 * counts as allowed.
 */
export function allowedForMs(
  when: WhenSpec,
  calendar: Calendar | null,
  zone: TimeZone,
  ms: number,
  mostMs: number,
): number {
  const isAllowed = (atMs: number): boolean => {
    const answer = allowedAt(when, calendar, zone, atMs)
    return answer.allowed || !answer.known
  }
  if (!isAllowed(ms)) return 0
  let sinceMs = ms
  while (ms - sinceMs < mostMs && isAllowed(sinceMs - 1)) {
    const edges = edgesAround(when, calendar, zone, sinceMs - 1)
    sinceMs = Math.max(...edges.filter(edgeMs => edgeMs < sinceMs))
  }
  return Math.min(ms - sinceMs, mostMs)
}

function byCalendar({ session }: WhenSpec, calendar: Calendar, day: string, ms: number): Allowed {
  const { data } = calendar
  const found = sessionAt(calendar, ms)
  if (found === 'unknown') return unknown(data.name, day)
  if (session === 'closed') {
    return found === null ? YES : no(`${data.name} is open until ${minuteText(closeMinuteOf(data, day))}`)
  }
  if (isTradingDay(data, day) !== true) return no(`${data.name} is closed on ${day}`)
  if (session === null || found !== null) return YES
  const now = minuteText(minuteAt(calendar.zone, ms))
  const hours = `${minuteText(data.openMinute)}-${minuteText(closeMinuteOf(data, day))}`
  return no(`${data.name} is closed at ${now}: open ${hours} on ${day}`)
}

function isActive(active: ActiveHours, zone: TimeZone, ms: number): boolean {
  const day = dayAt(zone, ms)
  return [day, addDays(day, -1)].some(begun => {
    if (!active.weekdays.includes(weekdayOf(begun))) return false
    const [fromMs, untilMs] = activeSpan(active, zone, begun)
    return fromMs <= ms && ms < untilMs
  })
}

/** The waking time that begins on this day. */
function activeSpan({ fromMinute, untilMinute }: ActiveHours, zone: TimeZone, day: string): [number, number] {
  const until = untilMinute > fromMinute ? untilMinute : untilMinute + FULL_DAY_MINUTE
  return [instantOf(zone, day, fromMinute), instantOf(zone, day, until)]
}

/** Every instant from a day before to a day after at which the answer may change. */
function edgesAround(when: WhenSpec, calendar: Calendar | null, zone: TimeZone, ms: number): number[] {
  const edges: number[] = []
  const days = calendar?.zone ?? zone
  const today = dayAt(days, ms)
  const here = dayAt(zone, ms)
  for (const ahead of [-2, -1, 0, 1, 2]) {
    const day = addDays(today, ahead)
    edges.push(instantOf(days, day, 0))
    const session = calendar === null ? null : sessionOf(calendar, day)
    if (session !== null && session !== 'unknown') edges.push(session.openMs, session.closeMs)
    if (when.active !== null) edges.push(...activeSpan(when.active, zone, addDays(here, ahead)))
  }
  return edges
}

/** `08:00-22:00 Mon-Fri`, as it would be written. */
export function activeText({ fromMinute, untilMinute, weekdays }: ActiveHours): string {
  const hours = `${minuteText(fromMinute)}-${minuteText(untilMinute)}`
  return weekdays.length === 7 ? hours : `${hours} ${weekdaysText(weekdays)}`
}

function weekdaysText(weekdays: readonly number[]): string {
  const days = [...weekdays].sort((a, b) => a - b)
  const [first = 0, last = 0] = [days[0], days.at(-1)]
  const name = (day: number): string => DAY_NAMES[day] ?? ''
  const isRow = days.length > 2 && last - first === days.length - 1
  return isRow ? `${name(first)}-${name(last)}` : days.map(name).join(',')
}

function no(reason: string): Allowed {
  return { allowed: false, reason, known: true }
}

function unknown(calendar: string, day: string): Allowed {
  return { allowed: false, reason: `the data of ${calendar} do not reach ${day}`, known: false }
}
