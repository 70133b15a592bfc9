/**
 * `calendars:` of mark.yaml beside those that MARK brings, as data for the plan. Everything wrong with one is
 * a problem at its place, and that one is left out.
 */
import { type CalendarData, isTradingDay } from '../../core/jobs/calendar.ts'
import { KNOWN_CALENDARS } from '../../core/jobs/calendars/known-calendars.ts'
import type { JobPlan } from '../../core/jobs/job-plan.ts'
import { isDay, minuteText } from '../../core/jobs/local-day.ts'
import type { ModuleSpec } from '../../core/plan.ts'
import { isTimeZone } from '../jobs/time-zone.ts'
import { parseMinute, parseWeekdays } from './day-words.ts'
import { nodeAt, toPlain } from './located.ts'
import { didYouMean } from './problem.ts'
import { type CalendarInput, calendarSchema } from './schema-calendar.ts'
import { problemAt, problemAtKey, type Scope } from './scope.ts'

export interface Calendars {
  readonly found: ReadonlyMap<string, CalendarData>
  /** Declared, and wrong. */
  readonly faulty: ReadonlySet<string>
}

/** Calendars whose shape is wrong are left out: that is said already. */
export function resolveCalendars(scope: Scope, names: readonly string[]): Calendars {
  const found = new Map(Object.entries(KNOWN_CALENDARS))
  const faulty = new Set<string>()
  for (const name of names) {
    const node = nodeAt(scope.tree, ['calendars', name])
    const result = calendarSchema.safeParse(node ? toPlain(node) : {})
    const calendar = result.success ? new Reader(scope, name, result.data).read() : null
    if (calendar === null) faulty.add(name)
    else found.set(name, calendar)
  }
  return { found, faulty }
}

/** Those that are named, for the plan. */
export function usedCalendars(
  { found }: Calendars,
  modules: readonly Pick<ModuleSpec, 'heartbeat'>[],
  jobs: readonly Pick<JobPlan, 'when'>[],
): Record<string, CalendarData> {
  const whens = [...modules.map(({ heartbeat }) => heartbeat?.when), ...jobs.map(({ when }) => when)]
  const names = new Set(whens.flatMap(when => when?.calendar ?? []))
  return Object.fromEntries([...found].filter(([name]) => names.has(name)))
}

type Key = keyof CalendarInput

class Reader {
  readonly #scope: Scope
  readonly #name: string
  readonly #input: CalendarInput
  #isSound = true

  constructor(scope: Scope, name: string, input: CalendarInput) {
    this.#scope = scope
    this.#name = name
    this.#input = input
  }

  read(): CalendarData | null {
    const base = this.#base()
    if (!this.#isSound) return null
    const { holidays, early_closes, valid_until } = this.#input
    const weekdays = this.#word('weekdays', base?.weekdays, parseWeekdays, 'Mon-Fri')
    const openMinute = this.#word('open', base?.openMinute, parseMinute, '"09:30"')
    const closeMinute = this.#word('close', base?.closeMinute, parseMinute, '"16:00"')
    const timezone = this.#word('timezone', base?.timezone, zoneOf, 'America/New_York')
    for (const [index, day] of holidays.entries()) this.#checkDay(['holidays', index], day)
    if (valid_until !== undefined) this.#checkDay(['valid_until'], valid_until)
    else if (base === null && (holidays.length > 0 || Object.keys(early_closes).length > 0)) {
      const hint = 'add `valid_until:`, the last day that its holidays are known for'
      this.#refuse([], 'its holidays end somewhere, and it does not say where', hint)
    }
    if (weekdays === null || openMinute === null || closeMinute === null || timezone === null) return null
    this.#checkHours(openMinute, closeMinute)
    const hours = { name: this.#name, timezone, weekdays, openMinute, closeMinute }
    const known = { validFrom: base?.validFrom ?? null, validUntil: valid_until ?? base?.validUntil ?? null }
    const days = [...new Set([...(base?.holidays ?? []), ...holidays])].sort()
    const data: CalendarData = { ...hours, ...known, holidays: days, earlyCloses: {} }
    const earlyCloses = { ...base?.earlyCloses, ...this.#earlyCloses(data) }
    return this.#isSound ? { ...data, earlyCloses } : null
  }

  #base(): CalendarData | null {
    const { base } = this.#input
    if (Object.hasOwn(KNOWN_CALENDARS, this.#name)) {
      const hint = `give it another name, with \`base: ${this.#name}\``
      this.#refuse([], `MARK has a calendar \`${this.#name}\` of its own`, hint)
    }
    if (base === undefined) return null
    const found = Object.hasOwn(KNOWN_CALENDARS, base) ? KNOWN_CALENDARS[base] : undefined
    if (found !== undefined) return found
    this.#refuse(['base'], `MARK has no calendar \`${base}\``, didYouMean(base, Object.keys(KNOWN_CALENDARS)))
    return null
  }

  /** What is written, else what the base has; null is said to be wrong, or missing. */
  #word<T>(
    key: 'weekdays' | 'open' | 'close' | 'timezone',
    base: T | undefined,
    parse: (text: string) => T | null,
    example: string,
  ): T | null {
    const text = this.#input[key]
    if (text === undefined) {
      if (base !== undefined) return base
      this.#refuse([], `it does not say its \`${key}\``, `add \`${key}: ${example}\`, or \`base: XNYS\``)
      return null
    }
    const value = parse(text)
    const what = { weekdays: 'days of the week', timezone: 'a time zone' }[key as string] ?? 'a time of day'
    if (value === null) this.#refuse([key], `"${text}" is not ${what}`, `write one such as ${example}`)
    return value
  }

  #checkHours(openMinute: number, closeMinute: number): void {
    if (openMinute < closeMinute) return
    const key = this.#input.close === undefined ? 'open' : 'close'
    const message = `it closes at ${minuteText(closeMinute)} and opens at ${minuteText(openMinute)}`
    const hint = 'a session is within one day; hours over midnight: `when: { active: "18:00-17:00 Sun-Thu" }`'
    this.#refuse([key], message, hint)
  }

  #earlyCloses(data: CalendarData): Record<string, number> {
    const closes: Record<string, number> = {}
    for (const [day, text] of Object.entries(this.#input.early_closes)) {
      const at = ['early_closes', day]
      if (!this.#checkDay(at, day)) continue
      const minute = parseMinute(text)
      const [open, close] = [minuteText(data.openMinute), minuteText(data.closeMinute)]
      if (minute === null) this.#refuse(at, `"${text}" is not a time of day`, 'write one such as "13:00"')
      else if (minute <= data.openMinute || minute > data.closeMinute)
        this.#refuse(
          at,
          `${minuteText(minute)} is not within ${open}-${close}`,
          'a session ends after it began',
        )
      else if (isTradingDay(data, day) === false)
        this.#refuse(at, `there is no session on ${day}`, 'remove it, here or from the holidays')
      else closes[day] = minute
    }
    return closes
  }

  #checkDay(at: readonly (string | number)[], day: string): boolean {
    if (isDay(day)) return true
    this.#refuse(at, `"${day}" is not a day`, 'write one such as 2026-12-24')
    return false
  }

  #refuse(at: readonly (Key | string | number)[], message: string, hint: string | null): void {
    this.#isSound = false
    const path = ['calendars', this.#name, ...at]
    const say = at.length === 0 ? problemAtKey : problemAt
    say(this.#scope, path, message, hint)
  }
}

function zoneOf(text: string): string | null {
  return isTimeZone(text) ? text : null
}
