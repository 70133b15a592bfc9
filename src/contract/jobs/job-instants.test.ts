/** The shared vectors of schedules, through the same door as `mark job next`. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { Dst } from '../../core/cron-instants.ts'
import type { JobSpec } from '../../core/schedule.ts'
import { readCronLine } from './cron-line.ts'
import { instantsAroundChanges, nextInstants } from './job-instants.ts'

interface Vector {
  readonly name: string
  readonly zone: string
  readonly line: string
  readonly seconds?: boolean
  readonly dst?: Dst
  readonly from: string
  readonly next: readonly string[]
  readonly notes?: readonly (string | null)[]
}

const file = new URL('../../../test/vectors/job-next.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as {
  next: Vector[]
  refused: { line: string; seconds: boolean; says: string }[]
}

function job(line: string, timezone: string, more: { seconds?: boolean; dst?: Dst } = {}): JobSpec {
  const { seconds = false, dst = 'vixie' } = more
  return { name: 'luka', schedule: { kind: 'cron', line, seconds }, timezone, dst }
}

describe('next instants of the shared vectors', () => {
  for (const vector of vectors.next) {
    test(vector.name, () => {
      const { line, zone, from, next, notes } = vector
      const found = nextInstants(job(line, zone, vector), Date.parse(from), next.length)
      assert.deepEqual(
        found.map(({ local }) => local),
        next,
      )
      for (const { at, local } of found) assert.equal(Date.parse(at), Date.parse(local))
      if (notes)
        assert.deepEqual(
          found.map(({ note }) => note),
          notes,
        )
    })
  }
})

describe('cron lines that are refused with what to write instead', () => {
  for (const { line, seconds, says } of vectors.refused) {
    test(`${line}${seconds ? ' with seconds' : ''}`, () => {
      const read = readCronLine(line, seconds)
      assert.ok(!read.ok, 'it was accepted')
      assert.ok(`${read.message} ${read.hint}`.includes(says), `${read.message} ${read.hint}`)
    })
  }
})

test('around clock changes: the last run before, those around it, the first after', () => {
  const from = Date.UTC(2026, 0)
  const night = instantsAroundChanges(job('30 2 * * *', 'Europe/Berlin'), from, 10)
  assert.deepEqual(
    night.map(({ local }) => local),
    [
      ...['2026-03-28T02:30:00+01:00', '2026-03-29T03:00:00+02:00', '2026-03-30T02:30:00+02:00'],
      ...['2026-10-24T02:30:00+02:00', '2026-10-25T02:30:00+02:00', '2026-10-26T02:30:00+01:00'],
    ],
  )
  assert.equal(instantsAroundChanges(job('* * * * *', 'Europe/Berlin'), from, 4).length, 8)
  assert.deepEqual(instantsAroundChanges(job('* * * * *', 'UTC'), from, 4), [])
})

test('a distance is counted from the epoch, whatever the zone', () => {
  const pulse: JobSpec = {
    name: 'pulse',
    schedule: { kind: 'every', everyMs: 90_000 },
    timezone: 'Europe/Berlin',
    dst: 'vixie',
  }
  const at = nextInstants(pulse, Date.UTC(2026, 9, 25, 0, 59), 2).map(instant => instant.at)
  assert.deepEqual(at, ['2026-10-25T01:00:00.000Z', '2026-10-25T01:01:30.000Z'])
})

test('a moment is due once, strictly after the time asked from', () => {
  const atMs = Date.UTC(2026, 11, 24, 17)
  const once: JobSpec = { name: 'once', schedule: { kind: 'at', atMs }, timezone: 'UTC', dst: 'vixie' }
  assert.equal(nextInstants(once, atMs - 1, 5).length, 1)
  assert.deepEqual(nextInstants(once, atMs, 5), [])
})
