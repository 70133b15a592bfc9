/**
 * `when:` to what the plan knows of it, for jobs and for heartbeats. Warns when a calendar it names has no
 * data for the days to come.
 */
import { type CalendarData, endOfData } from '../../core/jobs/calendar.ts'
import type { ActiveHours, WhenSpec } from '../../core/jobs/when-spec.ts'
import { isDay } from '../../core/jobs/local-day.ts'
import { timeZone } from '../jobs/time-zone.ts'
import { parseMinute, parseWeekdays } from './day-words.ts'
import { formatPath, type Path, placeAt } from './located.ts'
import { didYouMean } from './problem.ts'
import type { Calendars } from './resolve-calendars.ts'
import type { WhenInput } from './schema-calendar.ts'
import { problemAt, type Scope } from './scope.ts'

/** null: it is not said, or is wrong, which is then a problem at its place. */
export function resolveWhen(
  scope: Scope,
  path: Path,
  input: WhenInput | undefined,
  calendars: Calendars,
): WhenSpec | null {
  if (input === undefined) return null
  if (typeof input === 'string') return resolveName(scope, path, input, calendars)
  const { calendar = null, session = null, exclude } = input
  const sound = [
    calendar === null || checkCalendar(scope, [...path, 'calendar'], calendar, calendars),
    checkDays(scope, [...path, 'exclude'], exclude),
  ]
  if (session !== null && calendar === null) {
    const message = '`session` is of a calendar, and none is named'
    problemAt(scope, [...path, 'session'], message, 'add `calendar: XNYS`')
    sound.push(false)
  }
  const active = input.active === undefined ? null : parseActive(input.active)
  if (active === null && input.active !== undefined) {
    const message = `"${input.active}" is not a waking time`
    problemAt(scope, [...path, 'active'], message, 'write one such as "08:00-22:00 Mon-Fri"')
    sound.push(false)
  }
  return sound.every(Boolean) ? { calendar, session, exclude, active } : null
}

function resolveName(scope: Scope, path: Path, name: string, calendars: Calendars): WhenSpec | null {
  if (parseActive(name) !== null) {
    const message = 'hours stand under `active`'
    problemAt(scope, path, message, `write { active: "${name}" }`)
    return null
  }
  if (!checkCalendar(scope, path, name, calendars)) return null
  return { calendar: name, session: 'open', exclude: [], active: null }
}

/** `08:00-22:00 Mon-Fri`; without days: every day. */
function parseActive(text: string): ActiveHours | null {
  const match = /^(\S+?)\s*-\s*([\d:]+)(?:\s+(.+))?$/.exec(text.trim())
  if (!match) return null
  const [fromMinute, untilMinute] = [parseMinute(match[1] ?? ''), parseMinute(match[2] ?? '')]
  const weekdays = parseWeekdays(match[3] ?? 'Sun-Sat')
  if (fromMinute === null || untilMinute === null || weekdays === null) return null
  return fromMinute === 1440 || untilMinute === 0 ? null : { fromMinute, untilMinute, weekdays }
}

function checkCalendar(scope: Scope, path: Path, name: string, calendars: Calendars): boolean {
  const found = calendars.found.get(name)
  if (found === undefined) {
    // What is wrong with one that is declared is said at its place.
    if (!calendars.faulty.has(name)) {
      const known = [...calendars.found.keys(), ...calendars.faulty]
      problemAt(scope, path, `there is no calendar \`${name}\``, didYouMean(name, known))
    }
    return false
  }
  warnOfEnd(scope, path, found)
  return true
}

function warnOfEnd(scope: Scope, path: Path, data: CalendarData): void {
  const end = endOfData({ data, zone: timeZone(data.timezone) }, scope.nowMs)
  if (end === null) return
  const message = `the data of ${data.name} ${end === 'ended' ? 'ended on' : 'end on'} ${data.validUntil}`
  const hint = 'after that day its sessions are unknown: update MARK, or the calendar in `calendars:`'
  scope.report.warn({ at: placeAt(scope.tree, path), path: formatPath(path), message, hint })
}

function checkDays(scope: Scope, path: Path, days: readonly string[]): boolean {
  for (const [index, day] of days.entries()) {
    if (isDay(day)) continue
    problemAt(scope, [...path, index], `"${day}" is not a day`, 'write one such as 2026-12-24')
    return false
  }
  return true
}
