import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../host/clock.ts'
import { loadLibc } from '../../host/libc.ts'
import { makeStateDir } from '../../host/make-state-dir.ts'
import { recordOf } from '../../core/keeper-state.ts'
import { bootId, isDead, readStat } from '../../host/proc.ts'
import { readExitEvidence, writeRunRecord } from '../../host/run-records.ts'
import { type StateDir, stateDirAt } from '../../host/state-dir.ts'
import { Witness } from './witness.ts'

const libc = loadLibc()
const skip = libc ? false : 'SKIPPED: no libc here'

/** As on Linux < 6.15. */
const oldLibc = loadLibc({ pidfdInfo: true })

interface Bench {
  readonly state: StateDir
  readonly witness: Witness
  /** Starts a program under a parent of its own, as a keeper would; resolves its pid. */
  run(script: string): Promise<{ pid: number; parent: ChildProcess }>
}

async function withWitness(
  work: (bench: Bench) => Promise<void>,
  calls = libc,
  closingCode: (runId: string) => number | null = () => null,
): Promise<void> {
  assert.ok(calls)
  const dir = mkdtempSync(join(tmpdir(), 'mark-witness-'))
  const state = stateDirAt(join(dir, '.mark'), dir)
  makeStateDir(state)
  const problems: string[] = []
  const witness = new Witness({
    libc: calls,
    state,
    clock: systemClock,
    report: problem => problems.push(problem),
    closingCode,
  })
  const parents: ChildProcess[] = []
  const run: Bench['run'] = script => {
    const parent = spawn('sh', ['-c', `sh -c '${script}' & echo $!; sleep 30`], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    parents.push(parent)
    return new Promise(resolve => {
      parent.stdout?.once('data', (chunk: Buffer) => resolve({ pid: Number(chunk.toString()), parent }))
    })
  }
  try {
    await work({ state, witness, run })
    assert.deepEqual(problems, [])
  } finally {
    witness.close()
    for (const parent of parents) endGroup(parent)
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The parent and what it waits for: a sleep left behind would hold our streams open. */
function endGroup(parent: ChildProcess): void {
  try {
    process.kill(-(parent.pid as number), 'SIGKILL')
  } catch {}
}

async function until<T>(look: () => T | null): Promise<T> {
  const deadline = performance.now() + 4000
  for (;;) {
    const found = look()
    if (found !== null) return found
    assert.ok(performance.now() < deadline, 'deadline')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

test('a run of a keeper that died before it could tell of it is found by its record', { skip }, async () => {
  await withWitness(async ({ state, witness, run }) => {
    witness.linkUp()
    witness.linkDown()
    const { pid } = await run('sleep 1; exit 38')
    const of = {
      module: 'vida',
      role: 'active',
      bootId: bootId(),
      stop: { signal: 'SIGTERM', graceMs: 1 },
    } as const
    const started = { monoMs: 1, wallMs: 1 }
    const startTime = readStat(pid)?.startTime as number
    const record = recordOf(
      { id: 'R38', pid, startTime, started, ready: null, startReason: 'boot', exit: null },
      of,
    )
    writeRunRecord(state, record)
    writeRunRecord(state, { ...record, run_id: 'OTHER', boot_id: 'of another boot' })
    const evidence = await until(() => readExitEvidence(state, 'R38'))
    assert.equal(evidence.exit.code, 38)
    assert.equal(readExitEvidence(state, 'OTHER'), null)
  })
})

test('a run that exits while no keeper is there leaves its code on disk', { skip }, async () => {
  await withWitness(async ({ state, witness, run }) => {
    const { pid } = await run('sleep 0.2; exit 37')
    witness.hold({ runId: 'RUN-A', pid })
    const evidence = await until(() => readExitEvidence(state, 'RUN-A'))
    assert.equal(evidence.pid, pid)
    assert.deepEqual([evidence.exit.known, evidence.exit.code, evidence.exit.signal], [true, 37, null])
    assert.equal(evidence.exit.evidence, 'daemon')
  })
})

test('a signal is told as a signal', { skip }, async () => {
  await withWitness(async ({ state, witness, run }) => {
    const { pid } = await run('sleep 30')
    witness.hold({ runId: 'RUN-B', pid })
    process.kill(pid, 'SIGKILL')
    const evidence = await until(() => readExitEvidence(state, 'RUN-B'))
    assert.deepEqual([evidence.exit.code, evidence.exit.signal], [null, 'SIGKILL'])
  })
})

test('while the keeper is there nothing is written; when it goes, what it did not tell is', {
  skip,
}, async () => {
  await withWitness(async ({ state, witness, run }) => {
    witness.linkUp()
    const told = await run('sleep 0.1; exit 1')
    const untold = await run('sleep 0.1; exit 2')
    witness.hold({ runId: 'RUN-C', pid: told.pid })
    witness.hold({ runId: 'RUN-D', pid: untold.pid })
    await until(() => (gone(told.pid) && gone(untold.pid) ? true : null))
    witness.confirmed('RUN-C')
    assert.equal(readExitEvidence(state, 'RUN-D'), null)
    witness.linkDown()
    const evidence = await until(() => readExitEvidence(state, 'RUN-D'))
    assert.equal(evidence.exit.code, 2)
    assert.equal(readExitEvidence(state, 'RUN-C'), null)
  })
})

test('a keeper that is killed together with its run: the code is on disk before hello', {
  skip,
}, async () => {
  await withWitness(async ({ state, witness, run }) => {
    witness.linkUp()
    const { pid, parent } = await run('sleep 0.1; exit 9')
    witness.hold({ runId: 'RUN-E', pid })
    parent.kill('SIGKILL')
    witness.linkDown()
    await until(() => readExitEvidence(state, 'RUN-E'))
    const before = performance.now()
    await witness.settle()
    assert.ok(performance.now() - before < 400)
    assert.equal(readExitEvidence(state, 'RUN-E')?.exit.code, 9)
  })
})

test('below Linux 6.15 an exit that was reaped before it was read leaves nothing, rather than a guess', {
  skip,
}, async () => {
  await withWitness(async ({ state, witness, run }) => {
    const { pid } = await run('sleep 0.2; exit 37')
    witness.hold({ runId: 'RUN-OLD', pid })
    await until(() => (gone(pid) ? true : null))
    await witness.settle()
    const evidence = readExitEvidence(state, 'RUN-OLD')
    if (evidence !== null) assert.deepEqual([evidence.exit.known, evidence.exit.code], [true, 37])
  }, oldLibc)
})

test('where the kernel tells nothing the closing record counts, before the keeper is answered', {
  skip,
}, async () => {
  const said = (runId: string): number | null => (runId === 'RUN-SAID' ? 37 : null)
  await withWitness(
    async ({ state, witness, run }) => {
      const { pid } = await run('sleep 0.2; exit 37')
      witness.hold({ runId: 'RUN-SAID', pid })
      await until(() => (gone(pid) ? true : null))
      await witness.settle()
      const evidence = await until(() => readExitEvidence(state, 'RUN-SAID'))
      assert.deepEqual([evidence.exit.known, evidence.exit.code, evidence.exit.signal], [true, 37, null])
    },
    oldLibc,
    said,
  )
})

test('300 runs at once: every code is right', { skip }, async () => {
  await withWitness(async ({ state, witness }) => {
    const script =
      'i=0; while [ $i -lt 300 ]; do (sleep 1; exit $((i % 200))) & echo $!; i=$((i+1)); done; wait; sleep 30'
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    let text = ''
    parent.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const pids = text.split('\n').slice(0, -1).map(Number)
      pids.forEach((pid, index) => {
        witness.hold({ runId: `RUN-${index}`, pid })
      })
    })
    try {
      await until(() => (text.split('\n').length === 301 ? true : null))
      for (let i = 0; i < 300; i++) {
        const evidence = await until(() => readExitEvidence(state, `RUN-${i}`))
        assert.equal(evidence.exit.code, i % 200)
      }
    } finally {
      endGroup(parent)
    }
  })
})

/** Dead, reaped or not: its parent may take its time. */
function gone(pid: number): boolean {
  const stat = readStat(pid)
  return stat === null || isDead(stat)
}
