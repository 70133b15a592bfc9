/** Whose process it is, by its descent, its session or its tag, and never by what it says. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { readStat } from './proc.ts'
import { runOf } from './run-of.ts'
import { tagOf } from './run-tag.ts'

const run = (pid: number | null, over: object = {}) => ({ pid, runId: `R${pid}`, startTime: null, ...over })

/** A shell in a session of its own whose script prints one number. */
async function shell(script: string, env: NodeJS.ProcessEnv = process.env): Promise<[ChildProcess, number]> {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env })
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return [child, Number(said.toString().trim())]
}

function end(child: ChildProcess, ...pids: number[]): void {
  for (const pid of [child.pid as number, ...pids]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // gone already
    }
  }
}

test('a main process, its children and what kept its session are the run; others are not', async () => {
  const [child, grandchild] = await shell('sleep 60 & echo $!; wait')
  const [orphans, orphan] = await shell('(sleep 60 >/dev/null & echo $!); exec sleep 60')
  try {
    const mine = run(child.pid as number)
    const other = run(orphans.pid as number)
    assert.equal(runOf(child.pid as number, [other, mine]), mine)
    assert.equal(runOf(grandchild, [other, mine]), mine)
    assert.equal(runOf(orphan, [mine, other]), other)
    assert.equal(runOf(process.pid, [mine, other]), null)
    assert.equal(runOf(grandchild, []), null)
    assert.equal(runOf(1, [mine, other]), null)
  } finally {
    end(child, grandchild)
    end(orphans, orphan)
  }
})

test('the environment proves nothing, and neither does a pid that another process has by now', async () => {
  const [child, pid] = await shell('echo $$; exec sleep 60', { ...process.env, MARK_RUN_ID: 'R1' })
  try {
    assert.equal(runOf(pid, [{ pid: null, runId: 'R1', startTime: null }]), null)
    const startTime = readStat(pid)?.startTime as number
    assert.ok(runOf(pid, [run(pid, { startTime })]))
    assert.equal(runOf(pid, [run(pid, { startTime: startTime - 1 })]), null)
  } finally {
    end(child)
  }
})

test('a process that left its session and its parents is known by its tag', async () => {
  const [child, pid] = await shell('echo $$; exec sleep 60')
  try {
    const tag = tagOf(pid)
    assert.ok(tag !== null)
    const tagged = run(null, { tag })
    assert.equal(runOf(pid, [run(null, { tag: tag + 1 }), tagged]), tagged)
    assert.equal(runOf(pid, [run(null, { tag: null })]), null)
  } finally {
    end(child)
  }
})

test('a process that is gone is nobody', async () => {
  const [child, pid] = await shell('echo $$')
  if (child.exitCode === null) await once(child, 'exit')
  assert.equal(runOf(pid, [run(pid, { startTime: 1 })]), null)
})
