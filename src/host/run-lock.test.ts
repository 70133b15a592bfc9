import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadLibc } from './libc.ts'
import { readStat } from './proc.ts'
import { describe, type HeldLock, isOfFleet, type LockAnswer, lockOwner, takeRunLock } from './run-lock.ts'

const libc = loadLibc()
const skip = libc === null ? 'koffi cannot be loaded here' : false
const root = mkdtempSync(join(tmpdir(), 'run-lock-'))
after(() => rmSync(root, { recursive: true, force: true }))
let count = 0

const place = (): readonly string[] => [join(root, String(++count))]
const RUN = { fleet: '/srv/a/.mark', module: 'teea', run_id: '01HZZZZZZZZZZZZZZZZZZZZZZZ' }
const take = (directories: readonly string[], wallMs = 1000, run = RUN): LockAnswer =>
  takeRunLock('kraken:main', run, { libc, wallMs, directories })
const why = (answer: LockAnswer): string => (answer.ok ? 'it was given' : answer.why)

test('one holder; the next has a higher fence, also with a clock that was set back', { skip }, () => {
  const directories = place()
  const first = take(directories) as HeldLock
  assert.equal(first.fence, 1000)
  assert.match(why(take(directories)), /^the lock kraken:main is held by teea of \/srv\/a\/\.mark \(run 01HZ/)
  assert.equal(lockOwner('kraken:main', libc, directories)?.fence, 1000)
  first.close()
  assert.equal(lockOwner('kraken:main', libc, directories), null)
  const second = take(directories, 10) as HeldLock
  assert.equal(second.fence, 1001)
  second.close()
})

test('it lives as long as a process that inherited it, and names who that is', { skip }, async () => {
  const directories = place()
  const lock = take(directories) as HeldLock
  const child = spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', lock.fd] })
  try {
    await once(child, 'spawn')
    lock.started(child.pid as number, readStat(child.pid as number)?.startTime ?? null)
    lock.close()
    assert.match(why(take(directories)), new RegExp(`uid \\d+, pid ${child.pid}\\)`))
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const next = take(directories) as HeldLock
  assert.equal(next.ok, true)
  next.close()
  const gone = {
    ...JSON.parse(readFileSync(join(directories[0] as string, 'kraken:main.lock'), 'utf8')),
    pid: 1,
  }
  assert.match(describe(gone), /what pid 1 left behind/)
})

test('accounts share it: a sticky directory, and a file that all may raise the fence in', { skip }, () => {
  const directories = place()
  const before = process.umask(0o077)
  try {
    ;(take(directories) as HeldLock).close()
  } finally {
    process.umask(before)
  }
  const dir = directories[0] as string
  assert.equal(statSync(dir).mode & 0o7777, 0o1777)
  assert.equal(statSync(join(dir, readdirSync(dir)[0] as string)).mode & 0o777, 0o666)
})

test('what cannot be opened counts as held: a link, a directory, a place that is not shared', {
  skip,
}, () => {
  const directories = place()
  const dir = directories[0] as string
  ;(take(directories) as HeldLock).close()
  const path = join(dir, 'kraken:main.lock')
  rmSync(path)
  symlinkSync('/etc/passwd', path)
  assert.match(why(take(directories)), /counts as held/)
  assert.notEqual(lockOwner('kraken:main', libc, directories), null)
  rmSync(path)
  chmodSync(dir, 0o755)
  assert.match(why(take(directories)), /counts as held/)
})

test('a record that was torn costs its words, not the lock', { skip }, () => {
  const directories = place()
  const lock = take(directories) as HeldLock
  writeFileSync(join(directories[0] as string, 'kraken:main.lock'), '{"fence":')
  assert.match(why(take(directories)), /held by a process that left no record/)
  lock.close()
  const next = take(directories, 5000) as HeldLock
  assert.equal(next.fence, 5000)
  next.close()
})

test('a fleet knows its own lock by whatever path it is reached', { skip }, () => {
  const directories = place()
  const link = join(root, 'link')
  symlinkSync(root, link)
  const lock = take(directories, 1000, { ...RUN, fleet: root }) as HeldLock
  const owner = lockOwner('kraken:main', libc, directories)
  assert.ok(owner && isOfFleet(owner, link))
  assert.equal(isOfFleet(owner, tmpdir()), false)
  lock.close()
})
