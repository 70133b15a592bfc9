import { jobRow } from '../../../test/simulation/job-plans.ts'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import type { JobRowQuery } from '../../contract/api.ts'
import { eventOf, type JobRow } from '../../core/jobs/job-row.ts'
import { formatUtc } from '../../core/time.ts'
import type { FleetEvent } from '../../core/view.ts'
import { findJobRow, findJobRows, findSpans } from './job-queries.ts'
import { Store } from './store.ts'

const T0 = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
let dir = ''
let store: Store

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-ledger-'))
  store = new Store(join(dir, 'archive.db'))
})
afterEach(() => {
  store.close()
  rmSync(dir, { recursive: true, force: true })
})

function row(runId: string, more: Partial<JobRow> = {}): JobRow {
  const times = { planned_ms: T0, due_ms: T0 }
  return jobRow('ingest', { run_id: runId, rev: 1, ...times, trigger: 'hand', by: 'ann', ...more })
}

const planned = (runId: string, minute: number, more: Partial<JobRow> = {}): JobRow => {
  const atMs = T0 + minute * MINUTE
  return row(runId, {
    trigger: 'schedule',
    nominal: formatUtc(atMs),
    nominal_ms: atMs,
    planned_ms: atMs,
    ...more,
  })
}

/** What a journal tells of these rows, one a second from `fromMs` on. */
function told(journal: string, rows: readonly JobRow[], fromMs = T0): FleetEvent[] {
  return rows.map((of, index) => ({
    journal_id: journal,
    seq: index + 1,
    at: formatUtc(fromMs + index * 1000),
    kind: eventOf(of),
    module: of.job,
    run_id: of.run_id,
    data: { ...of },
  }))
}

const take = (events: readonly FleetEvent[]) => store.import(events, () => null, new Map())
const ALL: JobRowQuery = { job: null, outcome: null, sinceMs: null, before: null, limit: 1000 }
const rows = (query: Partial<JobRowQuery> = {}) => findJobRows(store, { ...ALL, ...query }).rows
const ended = { outcome: 'succeeded', rev: 3 } as const

test('a row is what the newest word about it says, however often and in whatever order', () => {
  const life = [planned('A', 0), planned('A', 0, { outcome: 'running', rev: 2 }), planned('A', 0, ended)]
  take(told('J', life))
  take(told('J', life))
  take(told('K', life.toReversed(), T0 + MINUTE))
  assert.deepEqual(rows(), [life[2]])
  assert.deepEqual(findJobRow(store, 'A'), life[2])
  assert.equal(findJobRow(store, 'B'), null)
})

test('an instant has one row: the one told of later, also out of an older journal', () => {
  take(told('J', [planned('A', 0, ended)]))
  take(told('K', [planned('B', 0, ended)], T0 + MINUTE))
  take(told('I', [planned('C', 0, ended)], T0 - MINUTE))
  take(told('J', [planned('A', 0, ended)]))
  assert.deepEqual(
    rows().map(one => one.run_id),
    ['B'],
  )
})

test('by hand, after others and in a backfill the same instant may have many rows', () => {
  const more = (['backfill', 'backfill', 'hand'] as const).map((trigger, index) =>
    planned(`B${index}`, 0, { trigger }),
  )
  take(told('J', [planned('A', 0), ...more, row('H1'), row('H2')]))
  assert.equal(rows().length, 6)
})

test('pages go back to the first row without a gap or a double, of all or of some', () => {
  const many = Array.from({ length: 23 }, (_, i) =>
    row(`R${i % 7}-${i}`, {
      planned_ms: T0 + Math.floor(i / 4) * MINUTE,
      outcome: i % 2 === 0 ? 'succeeded' : 'failed',
    }),
  )
  take(told('J', [...many, row('X', { job: 'other' })]))
  const seen: string[] = []
  for (let before: JobRowQuery['before'] = null; ; ) {
    const page = findJobRows(store, { ...ALL, job: 'ingest', before, limit: 5 })
    seen.push(...page.rows.map(one => one.run_id))
    const last = page.rows.at(-1)
    if (!page.more || !last) break
    before = { plannedMs: last.planned_ms, runId: last.run_id }
  }
  assert.deepEqual([...seen].sort(), many.map(one => one.run_id).sort())
  assert.equal(rows({ job: 'ingest', outcome: 'failed' }).length, 11)
  assert.equal(rows({ sinceMs: T0 + 5 * MINUTE }).length, 3)
  assert.equal(rows().length, 24)
})

test('what ended before the retention goes; what is open stays, however old', () => {
  take(told('J', [planned('A', 0, ended), planned('B', 1), planned('C', 2, ended)]))
  assert.equal(store.forget(T0 + 1500, 500), false)
  assert.deepEqual(
    rows().map(one => one.run_id),
    ['C', 'B'],
  )
})

test('rows of a shape that is not known stop no import', () => {
  const [event] = told('J', [planned('A', 0)])
  take([{ ...(event as FleetEvent), data: { run_id: 'A', what: 'else' } }])
  take(told('K', [planned('B', 1)]))
  assert.equal(rows().length, 1)
})

test('the place of an attempt in its log is where it began and ended to write', () => {
  const at = formatUtc(T0)
  const of = { journal_id: 'J', at, module: 'ingest' }
  take([
    { ...of, seq: 1, kind: 'started', run_id: 'A1', data: { pid: 1, log_offset: 10 } },
    { ...of, seq: 2, kind: 'exited', run_id: 'A1', data: { known: true, code: 0, log_offset: 90 } },
    { ...of, seq: 3, kind: 'started', run_id: 'A2', data: { pid: 2, log_offset: 90 } },
  ])
  assert.deepEqual(findSpans(store, ['A1', 'A2', 'A3']), [
    { runId: 'A1', from: 10, to: 90 },
    { runId: 'A2', from: 90, to: null },
  ])
})

test('whatever is told, an instant has at most one row and each row its highest revision', () => {
  const word = fc.record({
    run: fc.integer({ min: 0, max: 5 }),
    minute: fc.integer({ min: 0, max: 2 }),
    rev: fc.integer({ min: 1, max: 4 }),
    trigger: fc.constantFrom<JobRow['trigger']>('schedule', 'catch_up', 'hand'),
  })
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), words => {
      store.db.exec('DELETE FROM job_rows; DELETE FROM events; DELETE FROM cursor')
      const said = words.map(({ run, minute, rev, trigger }) =>
        planned(`${trigger}-${run}-${minute}`, minute, { rev, trigger }),
      )
      take(told('J', said))
      const before = rows()
      take(told('J', said))
      const instants = rows()
        .filter(one => one.trigger !== 'hand')
        .map(one => one.nominal_ms)
      assert.equal(new Set(instants).size, instants.length)
      const last = said.at(-1)
      const kept = last && rows().find(one => one.run_id === last.run_id)
      if (last) assert.ok((kept?.rev ?? 0) >= last.rev)
      assert.equal(before.length === 0, said.length === 0)
    }),
  )
})
