/** The oracle can fail: each lie a journal could tell is caught, and an honest one is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalEvent } from './journal.ts'
import type { Kill } from './killer.ts'
import type { Seen } from './observer.ts'
import { minimaFor, planOf } from './schedule.ts'
import { type Facts, judge, mintedMs } from './verdict.ts'

const NOW = 1_700_000_000_000
let seq = 0

function exited(runId: string, data: Record<string, unknown>): JournalEvent {
  return { seq: ++seq, at: new Date(NOW).toISOString(), kind: 'exited', module: 'luka', run_id: runId, data }
}
const code = (value: number): Record<string, unknown> => ({ known: true, code: value, signal: null })
const KILLED = { known: true, code: null, signal: 'SIGKILL' }
const UNKNOWN = { known: false, code: null, signal: null }

function seen(runId: string, goneMs: number): Seen {
  return {
    role: 'module',
    module: 'luka',
    pid: 7,
    start: 9,
    runId,
    firstMs: NOW - 5000,
    lastMs: goneMs,
    goneMs,
  }
}
function kill(target: Kill['target'], runId: string | null): Kill {
  const who = { module: 'luka', pid: 7, start: 9, runId }
  return { atMs: NOW, target, ...who, adopting: false, armed: true }
}
function facts(given: Partial<Facts>): Facts {
  return {
    events: [],
    history: [seen('A', NOW)],
    kills: [kill('module', 'A')],
    deaths: [],
    starts: new Set(['A']),
    blind: { keeper: [], daemon: [] },
    downMs: NOW + 60_000,
    ...given,
  }
}
const complaints = (given: Partial<Facts>): string => judge(facts(given)).problems.join('\n')

test('an honest journal is believed', () => {
  assert.equal(complaints({ events: [exited('A', KILLED)] }), '')
  const deaths = [{ run_id: 'A', code: 42, at: new Date(NOW).toISOString() }]
  assert.equal(complaints({ events: [exited('A', code(42))], kills: [], deaths }), '')
  assert.equal(
    complaints({ events: [exited('A', KILLED)], deaths }),
    '',
    'killed between its last word and its end',
  )
})

test('an exit that is lost, doubled or invented is caught', () => {
  assert.match(complaints({}), /0 exits/)
  assert.match(complaints({ events: [exited('A', KILLED), exited('A', KILLED)] }), /2 exits/)
  assert.match(complaints({ events: [exited('A', code(137))] }), /says 137, the truth is SIGKILL/)
  assert.match(complaints({ events: [exited('A', code(0))], kills: [] }), /nobody killed it/)
  assert.match(complaints({ events: [exited('A', KILLED), exited('B', UNKNOWN)] }), /no keeper's death kept/)
})

test('an unknown exit is allowed only where keeper and daemon were both away', () => {
  const events = [exited('A', UNKNOWN)]
  const away = [{ fromMs: NOW - 100, toMs: NOW + 100 }]
  assert.match(complaints({ events }), /though MARK was there/)
  assert.match(complaints({ events, blind: { keeper: away, daemon: [] } }), /though MARK was there/)
  assert.equal(complaints({ events, blind: { keeper: away, daemon: away } }), '')
})

test('after `down` a module ends with 0, by MARK', () => {
  const given = { kills: [], downMs: NOW - 1000 }
  assert.equal(complaints({ ...given, events: [exited('A', code(0))] }), '')
  assert.match(complaints({ ...given, events: [exited('A', KILLED)] }), /ended with SIGKILL at/)
})

test('a plan has what a run must reach, and is the same for the same seed', () => {
  for (const kills of [1, 12, 40, 300]) {
    const plan = planOf(kills, 5)
    assert.deepEqual(plan, planOf(kills, 5))
    const strokes = plan.map(step => step.stroke)
    const least = minimaFor(kills)
    const count = (kind: string): number => strokes.filter(stroke => stroke.kind === kind).length
    const modules = strokes.reduce((sum, stroke) => sum + (stroke.kind === 'module' ? stroke.count : 0), 0)
    assert.ok(count('pair') >= least.pairs && count('adopting') >= least.adopting && modules >= least.module)
    assert.ok(count('keeper') + count('pair') + 2 * count('adopting') + count('all') >= least.keeper)
    assert.ok(count('daemon') + count('pair') + count('all') >= least.daemon)
  }
  assert.notDeepEqual(planOf(40, 1), planOf(40, 2))
})

test('the time in a ULID is read', () => {
  assert.equal(mintedMs('01HF7YAT00XXXXXXXXXXXXXXXX'), 1_700_000_000_000)
})
