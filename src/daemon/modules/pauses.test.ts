/** Pauses on disk: they outlive the daemon, each source for itself, and never lower what a kill says. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HaltLevel } from '../../contract/module.ts'
import { makeStateDir } from '../../host/make-state-dir.ts'
import { type StateDir, stateDirAt } from '../../host/state-dir.ts'
import { Pauses } from './pauses.ts'

interface Bench {
  readonly state: StateDir
  readonly told: string[]
  kills: HaltLevel | null
  open(): Pauses
  halt(): string | null
}

function withPauses(work: (bench: Bench) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'mark-pauses-'))
  const state = stateDirAt(join(dir, '.mark'), dir)
  makeStateDir(state)
  const told: string[] = []
  const bench: Bench = {
    state,
    told,
    kills: null,
    open: () =>
      new Pauses({
        state,
        say: line => told.push(line),
        wallMs: () => 0,
        killLevel: () => bench.kills,
        changed: (kind, module, _runId, by, reason) => told.push(`${kind} ${module} by ${by}: ${reason}`),
      }),
    halt() {
      try {
        return readFileSync(join(state.haltDir, 'vida'), 'utf8').trim()
      } catch {
        return null
      }
    },
  }
  try {
    work(bench)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const BY_ANN = { module: 'vida', by: 'ann', reason: 'a look', run_id: null }
const STALE = { module: 'vida', by: 'mark', reason: 'old data', run_id: 'R1' }

test('a pause outlives the daemon and is in the halt file until the last of its sources resumes', () => {
  withPauses(({ open, halt, told }) => {
    const first = open()
    first.pause('operator', BY_ANN)
    first.pause('stale', STALE)
    const next = open()
    assert.equal(next.byOperator('vida')?.reason, 'paused by ann: a look')
    assert.equal(next.wasStale('vida', 'R1'), true)
    assert.equal(next.resume('operator', 'vida', 'ann', ''), true)
    assert.equal(halt(), 'pause')
    next.runIs('vida', 'R1')
    assert.equal(halt(), 'pause')
    next.runIs('vida', 'R2')
    assert.equal(halt(), null)
    assert.equal(next.resume('stale', 'vida', 'ann', ''), false)
    assert.deepEqual(told.slice(0, 2), ['paused vida by ann: a look', 'paused vida by mark: old data'])
    assert.equal(open().byOperator('vida'), null)
  })
})

test('a kill that says more is neither lowered by a pause nor by its end', () => {
  withPauses(bench => {
    bench.kills = 'halt'
    const pauses = bench.open()
    pauses.pause('operator', BY_ANN)
    assert.equal(bench.halt(), 'halt')
    pauses.resume('operator', 'vida', 'ann', '')
    assert.equal(bench.halt(), 'halt')
  })
})

test('a file that cannot be understood is a pause by an operator', () => {
  withPauses(({ state, open }) => {
    open().pause('stale', STALE)
    writeFileSync(join(state.pauseDir, 'vida.stale'), 'torn')
    assert.equal(open().byOperator('vida')?.reason, 'paused by unknown: its file is damaged')
  })
})

test('a disk that refuses to keep it refuses no pause', () => {
  withPauses(({ state, open, told }) => {
    writeFileSync(state.pauseDir, 'in the way')
    const pauses = open()
    pauses.pause('operator', BY_ANN)
    assert.equal(pauses.byOperator('vida')?.level, 'pause')
    assert.match(told.join('\n'), /^pauses cannot be read.*\nstate not durable/)
    assert.equal(told.at(-1), 'paused vida by ann: a look')
  })
})
