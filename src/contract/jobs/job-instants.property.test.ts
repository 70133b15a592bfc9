/**
 * What holds of every schedule: the next instant is later, and the same from every moment before it; and for
 * `vixie` croner's own zone support says the same. MARK_JOB_RUNS is how often each is tried.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cron } from 'croner'
import fc from 'fast-check'
import type { Dst } from '../../core/cron-instants.ts'
import { type JobSpec, nextInstant } from '../../core/schedule.ts'
import { clockworkOf } from './clockwork.ts'

const RUNS = Number(process.env.MARK_JOB_RUNS ?? 2_000)

const ZONES = [
  ...['UTC', 'Europe/Berlin', 'Europe/London', 'Europe/Dublin', 'Europe/Moscow', 'Europe/Istanbul'],
  ...['America/New_York', 'America/Los_Angeles', 'America/Sao_Paulo', 'America/Havana', 'America/Caracas'],
  ...['Australia/Lord_Howe', 'Australia/Sydney', 'Pacific/Auckland', 'Pacific/Chatham', 'Pacific/Apia'],
  ...['Asia/Tehran', 'Asia/Kathmandu', 'Asia/Tokyo', 'Africa/Casablanca', 'Africa/Cairo', 'America/Santiago'],
]
/** Whose gap goes over midnight: croner drops a fixed time in it, MARK does not (decision 18). */
const OVER_MIDNIGHT = ['America/Nuuk', 'America/Scoresbysund']

const number = (max: number) => fc.integer({ min: 0, max })
const list = (max: number) =>
  fc.uniqueArray(number(max), { minLength: 1, maxLength: 4 }).map(values => values.join(','))
const range = (max: number) =>
  fc.tuple(number(max), number(max)).map(pair => pair.sort((a, b) => a - b).join('-'))
const step = (max: number) => fc.integer({ min: 1, max }).map(size => `*/${size}`)
const field = (max: number) => fc.oneof(fc.constant('*'), list(max), range(max), step(max))
const early = fc.oneof(field(23), fc.constantFrom('0', '1', '2', '3', '1-3', '2,14', '0,23'))
const days = fc.constantFrom('*', '*', '*', '1', '15', '28-31', 'L', 'LW', '15W', '1,L')
const months = fc.constantFrom('*', '*', '*', '3', '10,11', '*/3', '2')
const weekdays = fc.constantFrom('*', '*', '*', '1-5', '0', '5#3', '0#L', '+5', '6,0')
const lines = fc.oneof(
  fc
    .tuple(field(59), early, days, months, weekdays)
    .map(fields => ({ line: fields.join(' '), seconds: false })),
  fc.tuple(list(59), field(59), early, days).map(fields => ({
    line: `${fields.join(' ')} * *`,
    seconds: true,
  })),
)

const FROM = Date.UTC(2020, 0)
const moments = fc.oneof(
  fc.integer({ min: FROM, max: Date.UTC(2040, 0) }),
  // Near a change of the clock: the last Sundays of March and October, the first of April and November.
  fc
    .tuple(
      fc.integer({ min: 2020, max: 2039 }),
      fc.constantFrom(2, 3, 9, 10),
      fc.integer({ min: -10, max: 15 }),
    )
    .chain(([year, month, day]) =>
      fc.integer({ min: 0, max: 86_400_000 }).map(ms => Date.UTC(year, month, day) + ms),
    ),
)
const dsts = fc.constantFrom<Dst>('vixie', 'skip', 'shift')

function jobOf(given: { line: string; seconds: boolean }, timezone: string, dst: Dst): JobSpec {
  return { name: 'luka', schedule: { kind: 'cron', ...given }, timezone, dst }
}

test('the next instant is later, and the same from every moment before it', () => {
  const zones = fc.constantFrom(...ZONES, ...OVER_MIDNIGHT)
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  const property = fc.property(lines, zones, dsts, moments, share, (line, zone, dst, fromMs, part) => {
    const job = jobOf(line, zone, dst)
    const clockwork = clockworkOf(job)
    const next = nextInstant(job, clockwork, fromMs)
    if (next === null) return
    assert.ok(next.atMs > fromMs)
    const between = fromMs + Math.floor((next.atMs - 1 - fromMs) * part)
    for (const ms of [between, next.atMs - 1, Math.min(fromMs + 1, next.atMs - 1)])
      assert.equal(nextInstant(job, clockwork, ms)?.atMs, next.atMs)
  })
  fc.assert(property, { numRuns: RUNS })
})

test('croner, with the zone in its own hands, says the same of vixie', () => {
  const property = fc.property(lines, fc.constantFrom(...ZONES), moments, (line, timezone, fromMs) => {
    const job = jobOf(line, timezone, 'vixie')
    const mode = line.seconds ? '6-part' : '5-part'
    const cron = new Cron(line.line, { mode, timezone, fixedTimeRule: 'no-wildcard' })
    const theirs = cron.nextRun(new Date(fromMs))?.getTime() ?? null
    assert.equal(nextInstant(job, clockworkOf(job), fromMs)?.atMs ?? null, theirs)
  })
  fc.assert(property, { numRuns: RUNS })
})
