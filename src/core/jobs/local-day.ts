/**
 * Days and minutes of a zone: a local day is text, `2026-12-24`; a minute counts from its midnight, 0 to
 * 1440. Promises: a minute that a clock change skips is the instant of the change, a repeated one its first
 * pass.
 */
import { type TimeZone, wallInstant } from '../cron-instants.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

export function dayAt(zone: TimeZone, ms: number): string {
  return textOf(ms + zone.stretchAt(ms).offsetMs)
}

export function minuteAt(zone: TimeZone, ms: number): number {
  const wallMs = ms + zone.stretchAt(ms).offsetMs
  return Math.floor((wallMs - wallOf(textOf(wallMs))) / MINUTE_MS)
}

export function instantOf(zone: TimeZone, day: string, minute: number): number {
  return wallInstant(zone, wallOf(day) + minute * MINUTE_MS)
}

export function addDays(day: string, days: number): string {
  return textOf(wallOf(day) + days * DAY_MS)
}

/** 0 is Sunday. */
export function weekdayOf(day: string): number {
  return new Date(wallOf(day)).getUTCDay()
}

/** Whether it is a day of the calendar, written `2026-12-24`. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const wallMs = wallOf(text)
  return !Number.isNaN(wallMs) && textOf(wallMs) === text
}

/** `09:30`. */
export function minuteText(minute: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}

function wallOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`)
}

function textOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10)
}
