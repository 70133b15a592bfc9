import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { RunRecord } from '../core/keeper-state.ts'
import { systemClock } from './clock.ts'
import { InitReaper } from './init-reaper.ts'
import { loadLibc } from './libc.ts'
import { makeStateDir } from './make-state-dir.ts'
import { bootId, childrenOfMainThread, readStat } from './proc.ts'
import { readExitEvidence, removeRunRecord, writeRunRecord } from './run-records.ts'
import { stateDirAt } from './state-dir.ts'

const libc = loadLibc()
const skip = libc ? false : 'SKIPPED: no libc here'
const dir = mkdtempSync(join(tmpdir(), 'mark-reaper-'))
const state = stateDirAt(join(dir, '.mark'), dir)
makeStateDir(state)
const problems: string[] = []
after(() => rmSync(dir, { recursive: true, force: true }))

/** Orphans of this test come to it, as all of a container's come to process 1. */
async function withReaper(work: (reaper: InitReaper) => Promise<void>): Promise<void> {
  assert.ok(libc)
  libc.setSubreaper()
  const report = (problem: string): void => void problems.push(problem)
  const reaper = new InitReaper({ libc, clock: systemClock, pid: process.pid, report })
  reaper.keepEvidence(state)
  const changed = (): void => reaper.childChanged()
  process.on('SIGCHLD', changed)
  try {
    await work(reaper)
    assert.deepEqual(problems, [])
  } finally {
    process.off('SIGCHLD', changed)
    reaper.close()
  }
}

function zombies(): number[] {
  return childrenOfMainThread(process.pid).filter(pid => readStat(pid)?.state === 'Z')
}

async function until(what: string, met: () => boolean): Promise<void> {
  const deadline = performance.now() + 4000
  while (!met()) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** An orphan of ours that ends with `code` once `file` is there; its pid. */
async function orphan(code: number, file: string): Promise<number> {
  const wait = `(while [ ! -e ${file} ]; do sleep 0.02; done; exit ${code}) & echo $!`
  const parent = spawn('sh', ['-c', wait], { stdio: ['ignore', 'pipe', 'ignore'] })
  const pid = await new Promise<number>(resolve => {
    parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())))
  })
  parent.stdout.destroy()
  await until('it came to us', () => readStat(pid)?.ppid === process.pid)
  return pid
}

test('a storm of orphans leaves no zombie', { skip }, async () => {
  await withReaper(async () => {
    const storm = 'i=0; while [ $i -lt 200 ]; do (sleep 0.0$((i % 10)) &) ; i=$((i+1)); done'
    const parent = spawn('sh', ['-c', storm], { stdio: 'ignore' })
    await new Promise(resolve => parent.once('exit', resolve))
    await until('all are reaped', () => childrenOfMainThread(process.pid).length === 0)
  })
})

test('children of Node keep their own exits', { skip }, async () => {
  await withReaper(async () => {
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, code) => {
        const child = spawn('sh', ['-c', `exit ${code}`], { stdio: 'ignore' })
        return new Promise(resolve => child.once('exit', resolve))
      }),
    )
    assert.deepEqual(
      codes,
      codes.map((_, code) => code),
    )
  })
})

test('how a run ended that no keeper saw is kept, and one that a keeper concluded is not', {
  skip,
}, async () => {
  await withReaper(async () => {
    const seen = await orphan(3, join(dir, 'go'))
    const unseen = await orphan(77, join(dir, 'go'))
    record('RUN-SEEN', seen)
    record('RUN-UNSEEN', unseen)
    const go = spawn('touch', [join(dir, 'go')])
    await new Promise(resolve => go.once('exit', resolve))
    await until('both are zombies', () => zombies().length === 2)
    // A keeper reads the first while it rests, and forgets the run.
    assert.match(readFileSync(`/proc/${seen}/stat`, 'utf8'), / 768\n$/)
    removeRunRecord(state, 'RUN-SEEN')
    await until('both are reaped', () => readStat(seen) === null && readStat(unseen) === null)
    await until('the evidence is there', () => readExitEvidence(state, 'RUN-UNSEEN') !== null)
    const evidence = readExitEvidence(state, 'RUN-UNSEEN')
    assert.deepEqual(
      [evidence?.pid, evidence?.exit.code, evidence?.exit.signal, evidence?.exit.evidence],
      [unseen, 77, null, 'wait'],
    )
    assert.equal(readExitEvidence(state, 'RUN-SEEN'), null)
  })
})

function record(runId: string, pid: number): void {
  const start_time = readStat(pid)?.startTime ?? null
  writeRunRecord(state, { version: 1, run_id: runId, pid, start_time, boot_id: bootId() } as RunRecord)
}
