/**
 * What every Store and its Latches promise the keeper (core/world.ts), whatever lies beneath. Each
 * implementation runs all of it; what one cannot have is left out of its Subject and shows as skipped, never
 * as passed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Exit } from '../../src/core/exit.ts'
import type { RunRecord } from '../../src/core/keeper-state.ts'
import type { KillView } from '../../src/core/view.ts'
import type { Latches, Store } from '../../src/core/world.ts'
import { moduleSpec, plan } from '../simulation/fleet-plan.ts'

export interface Subject {
  readonly store: Store
  readonly latches: Latches
  /** A keeper that was killed is followed by another: new instances on the same memory. */
  readonly successor: () => Subject
  /** What the daemon writes down of a run that ended while no keeper was there. */
  readonly witness: (runId: string, exit: Exit) => void
  /** Leaves a latch entry that nobody can read; its id. */
  readonly damageLatch?: () => string
  readonly touchKillFile?: () => void
  readonly isKillFileThere?: () => boolean
  /** What a module reads in halt/<module> when no MARK process is alive. */
  readonly haltOf?: (module: string) => string | null
  readonly close: () => void
}

const EXIT: Exit = { known: true, code: 3, signal: null, core: false, oom: null, evidence: 'pidfd' }
const AT = '2026-01-02T03:04:05.678Z'

export function storeContract(name: string, open: () => Subject): void {
  const subjects = (use: (subject: Subject) => void) => (): void => {
    const subject = open()
    try {
      use(subject)
    } finally {
      subject.close()
    }
  }
  describe(`${name} keeps what a keeper remembers`, () => remembers(subjects))
  describe(`${name} keeps the records of runs`, () => remembersRuns(subjects))
  describe(`${name} keeps the journal`, () => journals(subjects))
  describe(`${name} keeps the kill switch`, () => latches(subjects))
  describe(`${name} fails safe`, () => failsSafe(subjects, open))
}

type Subjects = (use: (subject: Subject) => void) => () => void

function remembers(subjects: Subjects): void {
  test(
    'a new fleet remembers nothing',
    subjects(({ store }) => {
      assert.equal(store.loadPlan(), null)
      assert.equal(store.loadChildren(), null)
      assert.deepEqual(store.loadRuns(), [])
      assert.equal(store.evidence('R1'), null)
      assert.equal(store.journaledExit('R1'), null)
    }),
  )
  test(
    'the plan saved last is the one a successor loads',
    subjects(({ store, successor }) => {
      const [first, second] = [plan([moduleSpec('luka')]), plan([moduleSpec('luka'), moduleSpec('roko')])]
      store.savePlan(first)
      assert.deepEqual(store.loadPlan(), first)
      store.savePlan(second)
      assert.deepEqual(successor().store.loadPlan(), second)
    }),
  )
  test(
    'the children saved last are the ones a successor loads',
    subjects(({ store, successor }) => {
      const saved = { monoMs: 1, wallMs: 2 }
      const save = (open: boolean, children: Record<string, object>, changed: string[]): void =>
        store.saveChildren({
          head: JSON.stringify({ version: 1, open }),
          children: new Map(Object.entries(children).map(([name, memory]) => [name, JSON.stringify(memory)])),
          changed: new Set(changed),
          saved,
        })
      const [one, two] = [{ a: 1 }, { a: 2 }]
      save(false, { luka: one, roko: one }, ['luka', 'roko'])
      save(true, { luka: two, roko: one }, ['luka'])
      const both = { version: 1, open: true, children: { luka: two, roko: one }, saved }
      assert.deepEqual(successor().store.loadChildren(), both)
      save(true, { luka: two }, ['roko'])
      assert.deepEqual(successor().store.loadChildren(), { ...both, children: { luka: two } })
    }),
  )
}

function remembersRuns(subjects: Subjects): void {
  test(
    'a run recorded before its spawn, and again with its pid, is one run to a successor',
    subjects(({ store, successor }) => {
      store.saveRun(record('R1', null))
      assert.deepEqual(successor().store.loadRuns(), [record('R1', null)])
      store.saveRun(record('R1', 4711))
      assert.deepEqual(successor().store.loadRuns(), [record('R1', 4711)])
    }),
  )
  test(
    'a removed run is gone with its evidence, the others stay',
    subjects(({ store, successor, witness }) => {
      for (const id of ['R1', 'R2']) {
        store.saveRun(record(id, 4711))
        witness(id, EXIT)
      }
      store.removeRun('R1')
      store.removeRun('R1')
      const next = successor().store
      assert.deepEqual(
        next.loadRuns().map(run => run.run_id),
        ['R2'],
      )
      assert.equal(next.evidence('R1'), null)
      assert.deepEqual(next.evidence('R2'), EXIT)
    }),
  )
}

function journals(subjects: Subjects): void {
  test(
    'an event comes back whole, with a number above all before, also from a successor',
    subjects(({ store, successor }) => {
      const event = { at: AT, kind: 'ready', module: 'luka', run_id: 'R1', data: { by: 'notify' } } as const
      const first = store.journal(event)
      const second = store.journal(event)
      const third = successor().store.journal(event)
      const { journal_id, seq, ...rest } = first
      assert.deepEqual(rest, event)
      assert.ok(journal_id !== '' && second.seq > seq && third.seq > second.seq)
      assert.equal(third.journal_id, journal_id)
    }),
  )
  test(
    'the exit of a run is found again, by a successor too; no other event counts as one',
    subjects(({ store, successor }) => {
      store.journal({ at: AT, kind: 'started', module: 'luka', run_id: 'R1', data: { pid: 7 } })
      store.journal({ at: AT, kind: 'stopped', module: 'luka', run_id: 'R1', data: {} })
      assert.equal(store.journaledExit('R1'), null)
      const exited = store.journal({
        at: AT,
        kind: 'exited',
        module: 'luka',
        run_id: 'R1',
        data: { ...EXIT },
      })
      store.journal({ at: AT, kind: 'exited', module: 'roko', run_id: 'R2', data: { ...EXIT, code: 4 } })
      assert.deepEqual(store.journaledExit('R1'), exited)
      assert.deepEqual(successor().store.journaledExit('R1'), exited)
      assert.equal(successor().store.journaledExit('R3'), null)
    }),
  )
}

function latches(subjects: Subjects): void {
  test(
    'nothing is tripped at first',
    subjects(({ latches }) => assert.deepEqual(latches.read(), [])),
  )
  test(
    'what was tripped is tripped for a successor, oldest first',
    subjects(({ latches, successor }) => {
      const kills = [kill('K-1'), kill('K-2', { level: 'flatten', scope: 'module:luka', reason: null })]
      for (const each of kills) latches.trip(each)
      assert.deepEqual(latches.read(), kills)
      assert.deepEqual(successor().latches.read(), kills)
    }),
  )
  test(
    'a kill is complete once somebody proved it, and tripped all the same',
    subjects(({ latches, successor }) => {
      latches.trip(kill('K-1'))
      latches.trip(kill('K-2'))
      latches.complete('K-1', false, 'orders unverified')
      latches.complete('K-2', true, 'stopped, verified')
      assert.deepEqual(successor().latches.read(), [kill('K-1'), kill('K-2', { complete: true })])
    }),
  )
  test(
    'a release ends one kill, once, and no other',
    subjects(({ latches, successor }) => {
      latches.trip(kill('K-1'))
      latches.trip(kill('K-2'))
      assert.equal(latches.release('K-3'), false)
      assert.equal(latches.release('K-1'), true)
      assert.equal(latches.release('K-1'), false)
      assert.deepEqual(successor().latches.read(), [kill('K-2')])
    }),
  )
  test(
    'only a release clears: neither a successor nor completion does',
    subjects(({ latches, successor }) => {
      latches.trip(kill('K-1'))
      latches.complete('K-1', true, 'stopped, verified')
      assert.equal(successor().successor().latches.read().length, 1)
    }),
  )
}

/** Only where there is a disk that others can touch. */
function failsSafe(subjects: Subjects, open: () => Subject): void {
  const probe = open()
  probe.close()
  const lacks = (part: keyof Subject): { skip: string | false } => ({
    skip: probe[part] === undefined && 'nobody else can touch its memory',
  })
  test(
    'an entry that cannot be read halts all, until it is released by its name',
    lacks('damageLatch'),
    subjects(({ latches, damageLatch }) => {
      const id = damageLatch?.() ?? ''
      const [found] = latches.read()
      assert.deepEqual([found?.id, found?.level, found?.scope], [id, 'halt', 'all'])
      assert.equal(latches.release(id), true)
      assert.deepEqual(latches.read(), [])
    }),
  )
  test(
    'the file KILL is one kill of all, however often it is seen, and goes with its release',
    lacks('touchKillFile'),
    subjects(({ latches, successor, touchKillFile, isKillFileThere }) => {
      touchKillFile?.()
      const [found, ...more] = latches.read()
      assert.deepEqual([found?.level, found?.scope, more.length], ['halt', 'all', 0])
      assert.deepEqual(successor().latches.read(), [found])
      assert.equal(latches.release(found?.id ?? ''), true)
      assert.equal(isKillFileThere?.(), false)
      assert.deepEqual(latches.read(), [])
    }),
  )
  test(
    'the word for a module that has no MARK to ask comes and goes',
    lacks('haltOf'),
    subjects(({ latches, haltOf }) => {
      const luka = moduleSpec('luka')
      assert.equal(haltOf?.('luka'), null)
      latches.halt(luka, 'halt')
      latches.halt(luka, 'flatten')
      assert.equal(haltOf?.('luka'), 'flatten')
      latches.halt(luka, null)
      latches.halt(luka, null)
      assert.equal(haltOf?.('luka'), null)
    }),
  )
}

function kill(id: string, over: Partial<KillView> = {}): KillView {
  return { id, level: 'halt', scope: 'all', reason: 'a drill', by: 'op', at: AT, complete: false, ...over }
}

function record(run_id: string, pid: number | null): RunRecord {
  return {
    version: 1,
    run_id,
    module: 'luka',
    role: 'active',
    slot: 'luka',
    pid,
    start_time: pid === null ? null : 12_345,
    boot_id: 'boot-1',
    tag: null,
    started: { monoMs: 1000, wallMs: 1_700_000_000_000 },
    start_reason: 'boot',
    stop: { signal: 'SIGTERM', grace_ms: 30_000 },
  }
}
