import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { test } from 'node:test'
import {
  alive,
  allPids,
  bootId,
  childrenOf,
  childrenOfMainThread,
  environHas,
  exitFromStatus,
  fdCount,
  isDead,
  parseChildren,
  parseStat,
  parseUsage,
  readEnviron,
  readStat,
  zombieExit,
} from './proc.ts'

/** A parent that never reaps: it starts each command it is sent and says its pid, so that corpses stay. */
const HOARDER = `
import os, subprocess, sys, signal
kept = []
for line in sys.stdin:
    child = subprocess.Popen(['sh', '-c', line.strip()])
    kept.append(child)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    print(child.pid, flush=True)
`

async function withHoarder(use: (die: (command: string) => Promise<number>) => Promise<void>): Promise<void> {
  const hoarder = spawn('python3', ['-c', HOARDER], { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  const next = async (): Promise<string> => {
    while (!text.includes('\n')) text += String((await once(hoarder.stdout, 'data'))[0])
    const line = text.slice(0, text.indexOf('\n'))
    text = text.slice(line.length + 1)
    return line
  }
  try {
    await use(async command => {
      hoarder.stdin.write(`${command}\n`)
      return Number(await next())
    })
  } finally {
    hoarder.kill('SIGKILL')
    await once(hoarder, 'exit')
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

test('a name with blanks and parentheses does not shift the fields', () => {
  const rest = `S 7 8 9 ${Array.from({ length: 46 }, (_, i) => i + 100).join(' ')}`
  const stat = parseStat(`42 (a) b (c) R 1) ${rest}`)
  assert.deepEqual(
    [stat?.pid, stat?.comm, stat?.state, stat?.ppid, stat?.session],
    [42, 'a) b (c) R 1', 'S', 7, 9],
  )
  assert.equal(stat?.startTime, 100 + 22 - 7)
})

test('our own stat tells who we are', () => {
  const stat = readStat(process.pid)
  assert.equal(stat?.ppid, process.ppid)
  assert.ok(stat && stat.startTime > 0 && stat.rssPages > 0 && stat.threads > 1)
  assert.equal(alive({ pid: process.pid, startTime: stat.startTime }), true)
  assert.equal(alive({ pid: process.pid, startTime: null }), true)
  assert.equal(
    alive({ pid: process.pid, startTime: stat.startTime + 1 }),
    false,
    'the pid belongs to somebody else',
  )
})

test('a process that is not there is null, never an error', () => {
  const nobody = 2 ** 22 + 1
  assert.equal(readStat(nobody), null)
  assert.equal(readEnviron(nobody), null)
  assert.equal(environHas(nobody, 'A', 'b'), false)
  assert.equal(fdCount(nobody), null)
  assert.deepEqual(childrenOf(nobody), [])
})

test("every exit code is read from the corpse of another process's child", async () => {
  await withHoarder(async die => {
    for (let code = 0; code < 256; code++) {
      const stat = readStat(await die(`exit ${code}`))
      assert.ok(stat && isDead(stat))
      assert.equal(alive(stat), false, 'a zombie counts as dead')
      assert.equal(alive({ pid: stat.pid, startTime: null }), false, 'whoever it is')
      const exit = { known: true, code, signal: null, core: false, oom: null, evidence: 'zombie' as const }
      assert.deepEqual(zombieExit(stat), exit)
    }
  })
})

test('every deadly signal is read from the corpse, and is never a code', async () => {
  const harmless = new Set([
    'SIGCHLD',
    'SIGCONT',
    'SIGSTOP',
    'SIGTSTP',
    'SIGTTIN',
    'SIGTTOU',
    'SIGURG',
    'SIGWINCH',
  ])
  await withHoarder(async die => {
    for (const [name, number] of Object.entries(constants.signals)) {
      if (harmless.has(name)) continue
      const stat = readStat(await die(`ulimit -c 0; kill -${number} $$`))
      const exit = stat && zombieExit(stat)
      assert.equal(exit?.code, null)
      assert.equal(constants.signals[exit?.signal as NodeJS.Signals], number, name)
    }
    const realTime = readStat(await die('kill -40 $$'))
    assert.equal(realTime && zombieExit(realTime)?.signal, 'SIG40')
  })
})

test('usual names win where two share a number', () => {
  assert.equal(exitFromStatus(6, 'wait').signal, 'SIGABRT')
  assert.equal(exitFromStatus(29, 'wait').signal, 'SIGIO')
  assert.deepEqual(exitFromStatus(11 | 0x80, 'pidfd'), {
    known: true,
    code: null,
    signal: 'SIGSEGV',
    core: true,
    oom: null,
    evidence: 'pidfd',
  })
})

test('a living process is no zombie', () => {
  const stat = readStat(process.pid)
  assert.equal(stat && zombieExit(stat), null)
})

test('an exit status that the kernel hides from us is unknown, not 0', async context => {
  if (process.getuid?.() !== 0) return context.skip('needs root')
  await withHoarder(async die => {
    const pid = await die('exit 7')
    const script = `
      const { readStat } = await import('${import.meta.dirname}/proc.ts')
      console.log(readStat(${pid})?.exitCode)`
    const spawned = spawn(process.execPath, ['--input-type=module', '-e', script], {
      uid: 65534,
      gid: 65534,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = await once(spawned.stdout, 'data')
    assert.equal(String(said).trim(), 'null')
  })
})

test('a process whose first thread has ended lives on while others run', async () => {
  const script = `
import threading, ctypes, sys
threading.Thread(target=lambda: sys.stdin.readline()).start()
print('up', flush=True)
ctypes.CDLL(None).pthread_exit(None)
`
  const child = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
  try {
    await once(child.stdout, 'data')
    const deadline = Date.now() + 5000
    while (readStat(child.pid!)?.state !== 'Z' && Date.now() < deadline) await new Promise(setImmediate)
    const stat = readStat(child.pid!)
    assert.equal(stat?.state, 'Z')
    assert.equal(alive(stat!), true)
    assert.equal(zombieExit(stat!), null)
  } finally {
    await end(child)
  }
})

test('the environment is read whole, and one variable is not mistaken for another', async () => {
  const env = { MARK_RUN_ID: 'one', X_MARK_RUN_ID: 'two', EMPTY: '', TEXT: 'a=b\nc' }
  const child = spawn('sleep', ['60'], { env })
  try {
    assert.deepEqual(readEnviron(child.pid!), new Map(Object.entries(env)))
    assert.equal(environHas(child.pid!, 'MARK_RUN_ID', 'one'), true)
    assert.equal(environHas(child.pid!, 'MARK_RUN_ID', 'two'), false)
    assert.equal(environHas(child.pid!, 'MARK_RUN_ID', 'on'), false)
    assert.equal(environHas(child.pid!, 'EMPTY', ''), true)
  } finally {
    await end(child)
  }
})

test('children are found, also by the one-file look', async () => {
  const children = [1, 2, 3].map(() => spawn('sleep', ['60']))
  try {
    const pids = children.map(child => child.pid!)
    assert.deepEqual(
      pids.filter(pid => !childrenOf(process.pid).includes(pid)),
      [],
    )
    assert.deepEqual(
      pids.filter(pid => !childrenOfMainThread(process.pid).includes(pid)),
      [],
    )
    assert.ok(allPids().includes(pids[0]!))
  } finally {
    await Promise.all(children.map(end))
  }
})

test('this boot has an id, and we have descriptors', () => {
  assert.match(bootId(), /^[0-9a-f-]{36}$/)
  assert.ok((fdCount(process.pid) ?? 0) >= 3)
})

test('usage is read from bytes as from text, whatever the name is', () => {
  const usage = { ticks: 0, threads: 0, startTime: 0, rssPages: 0 }
  const fields = Array.from({ length: 49 }, (_, index) => String(index + 4))
  for (const name of ['sh', ') 9 9 (', 'a b', '']) {
    const line = `77 (${name}) S ${fields.join(' ')}\n`
    const stat = parseStat(line)
    const bytes = Buffer.from(line, 'latin1')
    assert.ok(parseUsage(bytes, bytes.length, usage))
    assert.deepEqual(usage, { ticks: 14 + 15, threads: 20, startTime: 22, rssPages: 24 })
    assert.equal(stat?.startTime, usage.startTime)
  }
})

test('what is cut off or empty is no usage and changes nothing', () => {
  const usage = { ticks: 1, threads: 2, startTime: 3, rssPages: 4 }
  for (const text of ['', 'nonsense', '7 (sh) S 1 2 3 4 5', '7 (sh']) {
    assert.equal(parseUsage(Buffer.from(text), text.length, usage), false, text)
  }
  assert.deepEqual(usage, { ticks: 1, threads: 2, startTime: 3, rssPages: 4 })
})

test('a list of children is numbers between blanks', () => {
  const list = Buffer.from('12 345 6 ')
  assert.deepEqual(parseChildren(list, list.length), [12, 345, 6])
  assert.deepEqual(parseChildren(list, 6), [12, 345])
  assert.deepEqual(parseChildren(list, 0), [])
})
