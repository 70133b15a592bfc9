/** Control groups against the kernel of this host: limits hold, and what they did can be read. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startRefusal, trampoline } from '../core/trampoline.ts'
import { Cgroups } from './cgroup.ts'
import type { RunLimits } from './cgroup-limits.ts'
import { loadLibc } from './libc.ts'
import { trampolineTools } from './trampoline-tools.ts'
import { ulid } from './ulid.ts'

const libc = loadLibc()
const key = `test${process.pid}`
const groups = Cgroups.open({ key, libc })
const tools = trampolineTools()
const NONE: RunLimits = { memoryBytes: null, cpus: null, pids: null }
const begun: { runId: string; child: ChildProcess }[] = []
after(async () => {
  for (const { runId } of begun) await until('all is ended', () => groups.kill(runId))
  groups.close()
})

const needs = (able: boolean, what: string): { skip: string | false } => ({
  skip: able ? false : `this host offers no ${what} to this account`,
})
const perl = existsSync('/usr/bin/perl')

async function until(what: string, found: () => boolean, deadlineMs = 10_000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!found()) {
    if (performance.now() > deadline) assert.fail(`not within ${deadlineMs} ms: ${what}`)
    await sleep(5)
  }
}

function begin(limits: Partial<RunLimits>, argv: readonly string[], extraJoin: readonly string[] = []) {
  const runId = ulid(Date.now(), randomBytes)
  const made = groups.make(runId, { ...NONE, ...limits })
  assert.ok(made.ok, made.ok ? '' : made.why)
  const join_ = [...made.join, ...extraJoin]
  const [file, ...args] = trampoline({ argv, user: null, umask: null, ulimits: {}, join: join_, tools })
  const child = spawn(file as string, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  begun.push({ runId, child })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', text => {
      said += text
    })
  const ended = new Promise<{ code: number | null; signal: string | null; said: string }>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal, said }))
  })
  return { runId, pid: child.pid as number, ended, missing: made.missing, said: () => said }
}

test('a run past its memory limit is ended by the kernel, and that is told', {
  ...needs(groups.can.memory && perl, 'memory limit'),
}, async () => {
  const hog = begin({ memoryBytes: 32 << 20 }, [
    '/usr/bin/perl',
    '-e',
    'my @x; push @x, "a" x (1<<20) while 1',
  ])
  const small = begin({ memoryBytes: 32 << 20 }, ['/usr/bin/perl', '-e', 'kill KILL => $$'])
  assert.equal((await hog.ended).signal, 'SIGKILL')
  assert.equal(groups.oom(hog.runId), true)
  assert.equal((await small.ended).signal, 'SIGKILL')
  assert.equal(groups.oom(small.runId), false)
  assert.equal(groups.remove(hog.runId) && groups.remove(small.runId), true)
})

test('a fork bomb stays within its number of processes and is ended as a tree', {
  ...needs(groups.can.pids && perl, 'pids limit'),
}, async () => {
  const bomb = begin({ pids: 60 }, ['/usr/bin/perl', '-e', 'while (1) { fork }'])
  await until('it has used all it may', () => (groups.usage(bomb.runId)?.pids ?? 0) >= 60)
  assert.equal(groups.usage(bomb.runId)?.pids, 60)
  const began = performance.now()
  await until('nothing is left', () => groups.kill(bomb.runId), 2000)
  assert.ok(performance.now() - began < 2000)
  await bomb.ended
  await until('its groups are removed', () => groups.remove(bomb.runId))
  assert.equal(groups.list().includes(bomb.runId), false)
})

test('a run gets no more of the processors than it may have', {
  ...needs(groups.can.cpus && perl, 'cpus limit'),
}, async () => {
  const burn =
    'use Time::HiRes "time"; my $e = time + 1.5; 1 while time < $e; my ($u, $s) = times; print $u + $s'
  const bound = begin({ cpus: 0.2 }, ['/usr/bin/perl', '-e', burn])
  const boundS = Number((await bound.ended).said)
  assert.ok(boundS > 0.05 && boundS < 0.55, `0.2 of a core for 1.5 s were ${boundS} s of work`)
})

test('a group that cannot be joined refuses the start with a sentence', async () => {
  const lost = begin({}, ['/bin/true'], ['/sys/fs/cgroup/nowhere/cgroup.procs'])
  const { code, said } = await lost.ended
  assert.equal(code, 126)
  const why = startRefusal(code, said.trim().split('\n').at(-1) ?? '')
  assert.equal(why, 'the run could not join the control group /sys/fs/cgroup/nowhere/cgroup.procs')
})

test('the run itself is in its groups from its first instruction, and so is what it starts', {
  ...needs(groups.can.kill || groups.can.freeze, 'control group'),
}, async () => {
  const run = begin({ memoryBytes: 64 << 20, pids: 50 }, [
    '/bin/sh',
    '-c',
    'cat /proc/self/cgroup; exec sleep 60',
  ])
  await until('it spoke', () => run.said().includes(run.runId))
  const made = run
    .said()
    .split('\n')
    .filter(line => line.endsWith(`/mark-${key}/${run.runId}`))
  assert.ok(made.length >= 1)
  // `cat` may be on its way out.
  await until('it is alone', () => groups.pids(run.runId)?.length === 1)
  assert.deepEqual(groups.pids(run.runId), [run.pid])
  assert.equal(groups.remove(run.runId), false)
})

test('a later keeper finds a run by its process, thaws it, ends it and removes its groups', {
  ...needs(groups.can.kill || groups.can.freeze, 'control group'),
}, async () => {
  const run = begin({ pids: 50 }, ['/bin/sleep', '60'])
  await until('it runs', () => groups.pids(run.runId)?.length === 1)
  const later = Cgroups.open({ key, libc: null })
  assert.ok(later.list().includes(run.runId))
  assert.equal(later.adopt(run.runId, run.pid), true)
  assert.equal(later.adopt(ulid(Date.now(), randomBytes), run.pid), false)
  await until('it is ended', () => later.kill(run.runId))
  assert.equal((await run.ended).signal, 'SIGKILL')
  await until('its groups are removed', () => later.remove(run.runId))
})

test('groups that a module made inside its own are ended and removed with it', {
  ...needs(groups.can.kill || groups.can.freeze, 'control group'),
}, async () => {
  const run = begin({}, ['/bin/sleep', '60'])
  await until('it runs', () => groups.pids(run.runId)?.length === 1)
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${run.pid}/cgroup`, 'utf8'))?.[1] as string
  const own = [`/sys/fs/cgroup/unified${path}`, `/sys/fs/cgroup${path}`].find(dir => existsSync(dir))
  if (own !== undefined && path.includes(run.runId)) mkdirSync(join(own, 'inner'))
  await until('it is ended', () => groups.kill(run.runId))
  await until('its groups are removed', () => groups.remove(run.runId))
})

test('a group of nobody is no run: all answers are empty, and nothing is in the way of a stop', () => {
  const runId = ulid(Date.now(), randomBytes)
  assert.equal(groups.kill(runId), true)
  assert.deepEqual(groups.pids(runId), [])
  assert.equal(groups.oom(runId), null)
  assert.equal(groups.usage(runId), null)
  assert.equal(groups.remove(runId), true)
})

test('where nothing is mounted, or only for reading, limits are named as missing', {
  skip: process.getuid?.() === 0 ? false : 'a mount namespace needs root',
}, async () => {
  const script = `const { Cgroups } = await import(${JSON.stringify(join(import.meta.dirname, 'cgroup.ts'))})
    const groups = Cgroups.open({ key: 'x', libc: null })
    const made = groups.make('01JD0000000000000000000000', { memoryBytes: 1e8, cpus: 1, pids: 9 })
    console.log(JSON.stringify({ layout: groups.layout, can: groups.can, made }))`
  const node = `exec "$0" --input-type=module -e "$1"`
  const hide = `mount -t tmpfs none /sys/fs/cgroup && ${node}`
  const lock = `for at in $(awk '$9 ~ /^cgroup/ {print $5}' /proc/self/mountinfo)
    do mount -o remount,bind,ro "$at"; done; ${node}`
  const look = async (shell: string) => {
    const words = ['-m', '/bin/sh', '-c', shell, process.execPath, script]
    return JSON.parse((await promisify(execFile)('unshare', words)).stdout)
  }
  const able = { memory: false, cpus: false, pids: false, kill: false, freeze: false }
  const made = { ok: true, join: [], missing: ['memory', 'cpus', 'pids'] }
  assert.deepEqual(await look(hide), { layout: 'none', can: able, made })
  const locked = await look(lock)
  assert.equal(locked.layout, groups.layout)
  assert.deepEqual([locked.can, locked.made], [able, made])
})
