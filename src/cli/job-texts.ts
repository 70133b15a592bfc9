/**
 * Times and lengths of runs, for people: in the zone of the job, and how far away.
 */
import { timeZone } from '../contract/jobs/time-zone.ts'
import { describeExit } from '../core/exit.ts'
import type { LedgerRow } from '../core/jobs/ledger-row.ts'
import { formatLocal } from '../core/wall-time.ts'
import { span } from './table.ts'
import { visibleCell } from './visible.ts'

/** A UTC text as a clock in that zone shows it, to the second. */
export function localText(utc: string, zone: string): string {
  const ms = Math.floor(Date.parse(utc) / 1000) * 1000
  return formatLocal(ms, timeZone(zone).stretchAt(ms).offsetMs)
}

/** The instant it was planned for. */
export function plannedText(row: LedgerRow, zone: string): string {
  return row.nominal ?? localText(row.planned_at, zone)
}

/** `in 3h`, `2m ago`. */
export function distance(utc: string, nowMs: number): string {
  const seconds = (Date.parse(utc) - nowMs) / 1000
  return seconds >= 0 ? `in ${span(Math.floor(seconds))}` : `${span(Math.floor(-seconds))} ago`
}

/** From its first start to its end, or to now. */
export function tookText({ started_at, ended_at }: LedgerRow, nowMs: number): string {
  if (started_at === null) return '-'
  const ended = ended_at === null ? nowMs : Date.parse(ended_at)
  return span((ended - Date.parse(started_at)) / 1000)
}

/** Why it is as it is: its own reason, or how its last attempt ended. That it went well needs none. */
export function reasonText({ reason, outcome, attempts }: LedgerRow): string {
  const last = attempts.at(-1)
  if (reason !== '' || outcome === 'succeeded' || last === undefined) return visibleCell(reason)
  return visibleCell(last.reason || (last.exit ? describeExit(last.exit) : ''))
}
