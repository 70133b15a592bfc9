import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadLibc } from './libc.ts'
import { endWaiters, holdsLock, lockFds, lockHolder, lockWaiters, parseHolder } from './lock-holder.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-lock-'))
after(() => rmSync(dir, { recursive: true, force: true }))

test('the holder of a lock is told, a waiter is not, and nobody once it ended', async () => {
  const lock = join(dir, 'lock')
  writeFileSync(lock, '')
  assert.equal(lockHolder(lock), null)
  const holder = spawn('flock', ['-F', lock, 'sh', '-c', 'echo held; exec sleep 30', lock], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(holder.stdout, 'data')
  const waiter = spawn('flock', ['-F', lock, 'sleep', '30'], { stdio: 'ignore' })
  try {
    assert.equal(
      parseHolder(readLocks(), statSync(lock).ino, () => true),
      holder.pid,
    )
  } finally {
    waiter.kill('SIGKILL')
    await once(waiter, 'exit')
    holder.kill('SIGKILL')
    await once(holder, 'exit')
  }
  assert.equal(lockHolder(lock), null)
})

test('a process tells its own lock from that of another, and from a file that it only has open', () => {
  const lock = join(dir, 'own')
  writeFileSync(lock, '')
  const program = join(import.meta.dirname, 'lock-holder.ts')
  const asks = `import { holdsLock } from '${program}'; process.stdout.write(String(holdsLock('${lock}')))`
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '-e', asks]
  const said = (command: string[]): string =>
    execFileSync(command[0] as string, command.slice(1), { encoding: 'utf8' })
  assert.equal(said(['flock', '-F', lock, ...node]), 'true')
  // Without -F the lock belongs to flock, and the child has it open.
  assert.equal(said(['flock', lock, ...node]), 'false')
  const fd = openSync(lock, 'r')
  assert.equal(holdsLock(lock), false)
  closeSync(fd)
  assert.equal(holdsLock(join(dir, 'nowhere')), false)
})

test('an equal inode of another file system is not mistaken for the lock', () => {
  const line =
    '3: FLOCK  ADVISORY  WRITE 812 fd:00:77 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 900 fd:00:77 0 EOF\n'
  assert.equal(
    parseHolder(line, 77, pid => pid === 812),
    812,
  )
  assert.equal(
    parseHolder(line, 77, () => false),
    null,
  )
  assert.equal(
    parseHolder(line, 78, () => true),
    null,
  )
})

test('a lock file that is not there is held by nobody', () => {
  assert.equal(lockHolder(join(dir, 'none')), null)
})

function readLocks(): string {
  return readFileSync('/proc/locks', 'latin1')
}

test('who waits for a lock is told, and ended but for those who are meant to wait', async t => {
  const libc = loadLibc()
  if (libc === null) return t.skip('koffi is not here')
  const lock = join(dir, 'heirs')
  writeFileSync(lock, '')
  const holder = spawn('flock', ['-F', lock, 'sh', '-c', 'echo held; exec sleep 30', lock], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(holder.stdout, 'data')
  const [heir, stray] = [1, 2].map(() => spawn('flock', ['-F', lock, 'sleep', '30'], { stdio: 'ignore' }))
  try {
    const expected = [heir?.pid, stray?.pid].sort()
    const deadline = performance.now() + 5000
    while (lockWaiters(lock).length < 2 && performance.now() < deadline) await new Promise(setImmediate)
    assert.deepEqual(lockWaiters(lock).sort(), expected)
    const ended = once(stray as ReturnType<typeof spawn>, 'exit')
    endWaiters(lock, [heir?.pid as number], libc)
    assert.deepEqual(await ended, [null, 'SIGKILL'])
    assert.deepEqual(lockWaiters(lock), [heir?.pid])
    assert.equal(heir?.exitCode, null)
  } finally {
    for (const child of [heir, stray, holder]) child?.kill('SIGKILL')
    await once(holder, 'exit')
  }
})

test("this process's own descriptors of the lock are found by the file, not by its name", () => {
  const lock = join(dir, 'open')
  const fd = openSync(lock, 'w')
  try {
    linkSync(lock, `${lock}.link`)
    assert.deepEqual(lockFds(`${lock}.link`), [fd])
  } finally {
    closeSync(fd)
  }
  assert.deepEqual(lockFds(lock), [])
})
