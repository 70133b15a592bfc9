/**
 * F11, byte by byte: a record of a run, its exit, a kill, kept secrets, cut at every length and with every
 * single bit flipped. What comes back is what was written or nothing; a kill never covers less than it did.
 * (plan.json, children.json and its log, events.journal: beside their files in src/host.)
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { Exit } from '../../src/core/exit.ts'
import type { RunRecord } from '../../src/core/keeper-state.ts'
import { readSecretsEnv, writeSecretsEnv } from '../../src/host/environment.ts'
import { type KillRecord, readLatches, writeLatch } from '../../src/host/latch.ts'
import { makeStateDir } from '../../src/host/make-state-dir.ts'
import {
  readExitEvidence,
  readRunRecords,
  writeExitEvidence,
  writeRunRecord,
} from '../../src/host/run-records.ts'
import { type StateDir, stateDirAt } from '../../src/host/state-dir.ts'

const RUN: RunRecord = {
  version: 1,
  run_id: '01K0000000000000000000000A',
  module: 'luka',
  role: 'active',
  slot: 'luka',
  pid: 4711,
  start_time: 1_234_567,
  boot_id: 'a-boot',
  tag: 77_001,
  started: { monoMs: 1000, wallMs: 1_800_000_000_000 },
  start_reason: 'crash',
  stop: { signal: 'SIGTERM', grace_ms: 30_000 },
}
const EXIT: Exit = { known: true, code: 3, signal: null, core: null, oom: null, evidence: 'wait' }
const KILL: KillRecord = {
  id: 'K-1',
  level: 'halt',
  scope: 'module:luka',
  reason: 'a drill',
  by: 'op',
  at: '2027-01-15T08:00:00.000Z',
  complete: false,
  note: null,
}
let dir: string
let state: StateDir

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-f11-'))
  state = stateDirAt(join(dir, '.mark'), join(dir, 'run'))
  mkdirSync(state.socketDir)
  makeStateDir(state)
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** Every prefix, and every bit of what is not padding flipped once. */
function damage(path: string, judge: (what: string) => void): number {
  const whole = readFileSync(path)
  const text = whole.toString('latin1').trimEnd().length
  let count = 0
  const attempt = (bytes: Buffer, what: string): void => {
    writeFileSync(path, bytes)
    judge(what)
    count++
  }
  for (let length = 0; length < text; length++) attempt(whole.subarray(0, length), `cut to ${length}`)
  for (let bit = 0; bit < text * 8; bit++) {
    const flipped = Buffer.from(whole)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    attempt(flipped, `bit ${bit}`)
  }
  return count
}

test('F11: a record of a run is read as it was written, or not at all', t => {
  writeRunRecord(state, RUN)
  let whole = 0
  const count = damage(join(state.runs, `${RUN.run_id}.json`), what => {
    const found = readRunRecords(state)
    if (found.length === 0) return
    whole++
    const { stop, ...rest } = found[0] as RunRecord & { crc?: string }
    const same = Object.keys(rest).filter(key => key in RUN) as (keyof typeof rest & keyof RunRecord)[]
    for (const key of same) assert.deepEqual(rest[key], RUN[key], `${what}: ${key}`)
    assert.deepEqual(stop, RUN.stop, what)
  })
  t.diagnostic(`${count} damages, ${whole} only to the name of the seal`)
  assert.ok(whole <= 3 * 8)
})

test('F11: a record under the name of another run is none', () => {
  writeFileSync(join(state.runs, 'OTHER.json'), JSON.stringify(RUN))
  assert.deepEqual(readRunRecords(state), [])
})

test('F11: the exit of a run is what the daemon saw, or unknown', t => {
  writeExitEvidence(state, { run_id: RUN.run_id, pid: 4711, exit: EXIT, at: KILL.at })
  const count = damage(join(state.runs, `${RUN.run_id}.exit`), what => {
    const found = readExitEvidence(state, RUN.run_id)
    if (found !== null) assert.deepEqual(found.exit, EXIT, what)
  })
  t.diagnostic(`${count} damages`)
})

test('F11: a damaged kill halts what it halted, and if in doubt all', t => {
  writeLatch(state, KILL)
  let all = 0
  const count = damage(join(state.latchDir, 'K-1.json'), what => {
    const { kills } = readLatches(state.latchDir)
    assert.equal(kills.length, 1, what)
    const [kill] = kills as [KillRecord]
    assert.equal(kill.level, 'halt', what)
    if (kill.scope === 'all') all++
    else assert.equal(kill.scope, KILL.scope, what)
  })
  t.diagnostic(`${all} of ${count} damages halt all`)
})

test('F11: kept secrets cut anywhere give values that were kept, each whole', t => {
  const values = { KRAKEN_API_KEY: 'k"e=y\n1', TG: 'zwei ü' }
  writeSecretsEnv(state, values)
  const whole = readFileSync(state.secretsEnv)
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(state.secretsEnv, whole.subarray(0, length))
    for (const [name, value] of Object.entries(readSecretsEnv(state)))
      assert.ok(isDeepStrictEqual(value, (values as Record<string, string>)[name]), `cut to ${length}`)
  }
  t.diagnostic(`${whole.length} lengths`)
})
