import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Run } from '../core/child.ts'
import type { Exit } from '../core/exit.ts'
import { Containment } from './containment.ts'
import { loadLibc } from './libc.ts'
import { LinuxProcesses } from './linux-processes.ts'
import { readStat } from './proc.ts'
import type { RunFiles } from './run-files.ts'

const NO_FILES = {} as RunFiles

/** A process of somebody else: its parent is a shell of the test, not libuv of this process. */
async function stranger(command: string): Promise<{ pid: number; parent: ChildProcess }> {
  const parent = spawn('sh', ['-c', `${command} & echo $!; wait`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(parent.stdout as NonNullable<ChildProcess['stdout']>, 'data')) as [Buffer]
  return { pid: Number(line.toString()), parent }
}

function runOf(pid: number, startTime: number | null): Run {
  const started = { monoMs: 0, wallMs: 0 }
  return { id: `R-${pid}`, pid, startTime, started, ready: null, startReason: 'boot', exit: null }
}

function listening(processes: LinuxProcesses): Promise<{ runId: string; exit: Exit }> {
  return new Promise(resolve => {
    processes.listen({
      exited: (runId, exit) => resolve({ runId, exit }),
      swept() {},
      hooked() {},
      notified() {},
      woke() {},
      logDropped() {},
      killFile() {},
    })
  })
}

test('an adopted run tells its end', async () => {
  const processes = new LinuxProcesses(loadLibc(), NO_FILES, new Containment(null, 'test'))
  const ended = listening(processes)
  const { pid } = await stranger('sleep 100')
  const run = runOf(pid, readStat(pid)?.startTime ?? null)
  assert.deepEqual(processes.adopt(run), { alive: true })
  processes.signal(run, 'SIGTERM')
  const { runId, exit } = await ended
  assert.equal(runId, run.id)
  assert.ok(!exit.known || exit.signal === 'SIGTERM')
})

test('a process under a reused pid is neither adopted nor signalled', async () => {
  const processes = new LinuxProcesses(loadLibc(), NO_FILES, new Containment(null, 'test'))
  const { pid, parent } = await stranger('sleep 100')
  const startTime = readStat(pid)?.startTime as number
  const former = runOf(pid, startTime - 500)
  assert.equal(processes.adopt(former).alive, false)
  processes.signal(former, 'SIGKILL')
  processes.kill(former)
  processes.sweep(former, true, 'SIGKILL')
  assert.equal(readStat(pid)?.startTime, startTime, 'the stranger lives')
  assert.notEqual(readStat(pid)?.state, 'Z')
  process.kill(pid, 'SIGKILL')
  await once(parent, 'exit')
})
