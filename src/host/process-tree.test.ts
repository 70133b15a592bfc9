import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, test } from 'node:test'
import { loadLibc } from './libc.ts'
import { alive, childrenOfMainThread, readStat } from './proc.ts'
import { killSurvivors, type RunIdentity, type SurvivorOptions, survivors } from './process-tree.ts'

/**
 * Nasty trees. Each leaves one or more processes behind, says their pids and `done`, then waits to be told to
 * end (or ends at once). The environment variable MARK_RUN_ID is the run's unless it is wiped.
 */
const TREES = `
import os, sys, time
def say(*words): os.write(1, (' '.join(map(str, words)) + '\\n').encode())
def fork(then):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        then(write)
        os._exit(0)
    os.close(write)
    return pid, read
def sleep(write=None):
    if write is not None: os.write(write, b'%d' % os.getpid())
    os.execvp('sleep', ['sleep', '60'])
def wiped(write):
    os.write(write, b'%d' % os.getpid())
    os.execve('/bin/sleep', ['sleep', '60'], {})
def double(write, setsid, then):
    if setsid: os.setsid()
    if os.fork() == 0: then(write)
    os._exit(0)
def double_fork(write): double(write, False, sleep)
def daemonised(write): double(write, True, sleep)
def wiped_double(write): double(write, False, wiped)
def wiped_daemon(write): double(write, True, lambda w: double(w, True, wiped))
def own_group(write):
    os.setpgid(0, 0)
    wiped(write)
def own_session_deep(write):
    os.setsid()
    pid, read = fork(wiped)
    os.write(write, b'%d %s' % (os.getpid(), os.read(read, 20)))
    time.sleep(60)
tree = globals()[sys.argv[1]]
pid, read = fork(tree)
say(os.read(read, 100).decode())
if sys.argv[2] == 'end': os._exit(3)
sys.stdin.readline()
`

const started: ChildProcess[] = []
const stray: number[] = []

afterEach(async () => {
  for (const pid of stray.splice(0)) {
    const stat = readStat(pid)
    if (stat && ['sleep', 'python3'].includes(stat.comm) && alive(stat)) process.kill(pid, 'SIGKILL')
  }
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  for (const pid of childrenOfMainThread(process.pid))
    while (libc.reap(pid) === 'alive') await new Promise(setImmediate)
})

const libc = loadLibc()!
libc.setSubreaper()

interface Tree {
  readonly run: RunIdentity
  readonly left: number[]
  readonly child: ChildProcess
}

async function grow(shape: string, how: 'end' | 'stay', runId = `run-${shape}-${how}`): Promise<Tree> {
  const child = spawn('python3', ['-c', TREES, shape, how], {
    detached: true,
    env: { PATH: process.env.PATH, MARK_RUN_ID: runId },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  started.push(child)
  const startTime = readStat(child.pid!)!.startTime
  const ended = how === 'end' ? once(child, 'exit') : null
  const [said] = await once(child.stdout, 'data')
  await ended
  const left = String(said).trim().split(' ').map(Number)
  stray.push(...left)
  return { run: { pid: child.pid!, runId, startTime }, left, child }
}

function options(full: boolean, known: readonly number[] = []): SurvivorOptions {
  return { keeperPid: process.pid, known: new Set(known), full }
}

/** Looks until it sees just these: a parent between two forks may need a moment to end. */
async function finds(
  run: RunIdentity,
  look: SurvivorOptions,
  wanted: readonly number[],
  which = '',
): Promise<void> {
  const deadline = Date.now() + 5000
  const same = (): boolean => String(sorted(survivors(run, look))) === String(sorted(wanted))
  while (!same() && Date.now() < deadline) await new Promise(setImmediate)
  assert.deepEqual(sorted(survivors(run, look)), sorted(wanted), which)
}

function sorted(pids: readonly number[]): number[] {
  return [...pids].sort((a, b) => a - b)
}

const SHAPES = [
  'sleep',
  'double_fork',
  'daemonised',
  'wiped',
  'wiped_double',
  'own_group',
  'own_session_deep',
]

for (const shape of SHAPES) {
  for (const full of [false, true]) {
    const look = full ? 'the scan of all processes' : 'the look at our orphans'
    test(`${look} finds what a dead run left behind: ${shape}`, async () => {
      const { run, left } = await grow(shape, 'end')
      await finds(run, options(full), left)
      assert.equal(killSurvivors(left, 'SIGKILL', libc), left.length)
      for (const pid of left)
        while (alive(readStat(pid) ?? { pid, startTime: -1 })) await new Promise(setImmediate)
      for (const pid of left) libc.reap(pid)
      assert.deepEqual(survivors(run, options(full)), [])
    })
  }
}

test('of a run that lives, everything but its main process is named, whatever it did to hide', async () => {
  for (const shape of ['sleep', 'own_group', 'own_session_deep', 'wiped']) {
    const { run, left } = await grow(shape, 'stay')
    for (const full of [false, true]) {
      await finds(run, options(full), left, `${shape} ${full}`)
    }
  }
})

test('other runs, the keeper, and what the keeper knows are never named', async () => {
  const one = await grow('double_fork', 'end', 'run-one')
  const two = await grow('double_fork', 'end', 'run-two')
  for (const full of [false, true]) {
    await finds(one.run, options(full), one.left)
    await finds(two.run, options(full), two.left)
    assert.deepEqual(survivors(one.run, options(full, one.left)), [])
    const everything = survivors({ pid: process.pid, runId: 'none', startTime: null }, options(full))
    assert.equal(everything.includes(process.pid), false)
  }
})

test('a known process and what it started is not swept with the run that started it', async () => {
  const { run, left } = await grow('own_session_deep', 'stay')
  const [leader = 0] = left
  // Until its exec the child of the leader still shows the run's environment.
  await finds(run, options(true, [leader]), [])
})

test('a stranger that has the pid of a dead run by now keeps its session', async () => {
  const { run, left } = await grow('wiped', 'stay')
  const earlier = { ...run, runId: 'dead-before', startTime: run.startTime! - 500 }
  assert.deepEqual(survivors(earlier, options(true)), [])
  assert.equal(
    left.every(pid => alive(readStat(pid)!)),
    true,
  )
})

test('without a pid on record the run id in the environment is enough', async () => {
  const { run, left } = await grow('daemonised', 'end')
  await finds({ ...run, pid: null, startTime: null }, options(true), left)
})

test('a process that does nothing but exec itself again is found by its tag at every look', async () => {
  const script = 'setsid sh -c \'echo $$; exec sh -c "exec sh $0" "$0"\' "$0" & exit'
  const again = `${process.env.TMPDIR ?? '/tmp'}/exec-again-${process.pid}.sh`
  const { rmSync, writeFileSync } = await import('node:fs')
  writeFileSync(again, 'exec sh "$0"\n')
  try {
    const env = { PATH: process.env.PATH, MARK_RUN_ID: 'again' }
    const child = spawn('prlimit', ['--msgqueue=4711:', 'sh', '-c', script, again], {
      detached: true,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const run = { pid: child.pid!, runId: 'again', startTime: readStat(child.pid!)!.startTime, tag: 4711 }
    const ended = once(child, 'exit')
    const pid = Number(String((await once(child.stdout, 'data'))[0]))
    await ended
    try {
      let missed = 0
      for (let look = 0; look < 300; look++) if (!survivors(run, options(false)).includes(pid)) missed++
      assert.equal(missed, 0, `${missed} of 300`)
    } finally {
      process.kill(pid, 'SIGKILL')
    }
  } finally {
    rmSync(again)
  }
})

test('a daemon with a session, a group and an environment of its own is found by its tag alone', async () => {
  const child = spawn('prlimit', ['--msgqueue=4712:', 'python3', '-c', TREES, 'wiped_daemon', 'end'], {
    detached: true,
    env: { PATH: process.env.PATH, MARK_RUN_ID: 'tagged' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  const run = { pid: child.pid!, runId: 'tagged', startTime: readStat(child.pid!)!.startTime }
  const ended = once(child, 'exit')
  const pid = Number(String((await once(child.stdout, 'data'))[0]))
  await ended
  stray.push(pid)
  const deadline = performance.now() + 10_000
  while (readStat(pid)?.comm !== 'sleep') {
    assert.ok(performance.now() < deadline, 'it dropped its environment')
    await new Promise(setImmediate)
  }
  for (const full of [false, true]) {
    await finds({ ...run, tag: 4712 }, options(full), [pid])
    assert.deepEqual(survivors({ ...run, tag: 4713 }, options(full)), [], 'another tag is another run')
  }
})

test('a zombie is not a survivor, and is not signalled', async () => {
  const child = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exit 0'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const run = { pid: child.pid!, runId: 'zombies', startTime: readStat(child.pid!)!.startTime }
  const ended = once(child, 'exit')
  const orphan = Number(String((await once(child.stdout, 'data'))[0]))
  await ended
  const deadline = performance.now() + 10_000
  while (readStat(orphan)?.state !== 'Z') {
    assert.ok(performance.now() < deadline, 'the orphan came home and ended')
    await new Promise(setImmediate)
  }
  for (const full of [false, true]) assert.deepEqual(survivors(run, options(full)), [])
  assert.equal(killSurvivors([orphan], 'SIGKILL', libc), 0)
  libc.reap(orphan)
})

test('killing works without libc, and a pid that is gone is passed over', async () => {
  const { left } = await grow('double_fork', 'end')
  assert.equal(killSurvivors([...left, 2 ** 22 + 1], 'SIGKILL', null), 1)
})

test('a run that left nothing has no survivors, however often one looks', async () => {
  const child = spawn('true', { detached: true })
  const run = { pid: child.pid!, runId: 'clean', startTime: readStat(child.pid!)!.startTime }
  await once(child, 'exit')
  const deadline = performance.now() + 10_000
  for (
    let left = childrenOfMainThread(process.pid);
    left.length > 0;
    left = childrenOfMainThread(process.pid)
  ) {
    assert.ok(performance.now() < deadline, 'what earlier tests left is gone')
    for (const pid of left) libc.reap(pid)
    await new Promise(setImmediate)
  }
  for (let i = 0; i < 200; i++) assert.deepEqual(survivors(run, options(false)), [])
})
