import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PersistentMap, type PersistentMapError } from '../../src/sdk/sdk.ts'
import { mount, whyNot } from '../contracts/file-systems.ts'
import { Disk } from '../faults/disk.ts'

const PYTHON = join(import.meta.dirname, '..', '..', 'python', 'src')

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-map-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: PersistentMapError) => error.code ?? String(error),
  )

test('what was set is there after close, in memory at once', async () => {
  const map = await PersistentMap.open('a', { dir })
  map.set('b', { c: [1, 'ü', null] })
  map.set('gone', 1)
  assert.equal(map.delete('gone'), true)
  assert.equal(map.delete('gone'), false)
  assert.deepEqual([...map.keys()], ['b'])
  const value = map.get('b') as { c: number[] }
  value.c[0] = 2
  assert.deepEqual(map.get('b'), { c: [1, 'ü', null] })
  await map.close()
  const again = await PersistentMap.open('a', { dir })
  assert.deepEqual([...again.entries()], [['b', { c: [1, 'ü', null] }]])
  assert.equal(again.size, 1)
  await again.close()
  assert.ok(existsSync(join(dir, 'a.db.bak')))
})

test('set is written in the background, within its interval', async () => {
  const map = await PersistentMap.open('a', { dir, interval: 20 })
  await map.set('a', 1, { durable: true })
  const bytes = (): number => Number(execFileSync('stat', ['-c', '%s', join(dir, 'a.db')]))
  const before = bytes()
  map.set('b', 'x'.repeat(20_000))
  const end = performance.now() + 5000
  while (bytes() === before && performance.now() < end) await sleep(5)
  assert.ok(bytes() > before)
  await map.close()
})

test('a transaction is all or nothing, in memory too', async () => {
  const map = await PersistentMap.open('a', { dir })
  map.set('a', 1)
  const failing = map.transaction(change => {
    change.set('a', 2)
    change.set('b', 2)
    throw new Error('no')
  })
  await assert.rejects(failing, /no/)
  assert.deepEqual([...map.entries()], [['a', 1]])
  const sum = await map.transaction(
    change => {
      change.set('b', (change.get('a') as number) + 1)
      change.delete('a')
      assert.equal(change.has('a'), false)
      return change.get('b')
    },
    { durable: true },
  )
  assert.equal(sum, 2)
  assert.deepEqual([...map.entries()], [['b', 2]])
  await assert.rejects(
    map.transaction(async () => {}),
    { code: 'value' },
  )
  await map.close()
})

test('a database that is gone or empty is lost, not new', async () => {
  await (await PersistentMap.open('a', { dir })).close()
  writeFileSync(join(dir, 'a.db'), '')
  await assert.rejects(PersistentMap.open('a', { dir }), { code: 'lost', exitCode: 11 })
  rmSync(join(dir, 'a.db'))
  await assert.rejects(PersistentMap.open('a', { dir }), { code: 'lost', exitCode: 11 })
  assert.equal(existsSync(join(dir, 'a.db')), false)
})

test('a database that is removed while it is open is not written to in vain', async () => {
  const map = await PersistentMap.open('a', { dir })
  await map.set('a', 1, { durable: true })
  rmSync(join(dir, 'a.db'))
  assert.equal(await codeOf(map.set('a', 2, { durable: true })), 'unwritable')
  assert.equal(await codeOf(map.close()), 'unwritable')
})

test('a file of 0 bytes is new where nothing was', async () => {
  writeFileSync(join(dir, 'a.db'), '')
  const map = await PersistentMap.open('a', { dir })
  assert.equal(map.size, 0)
  await map.close()
})

test('one at a time has it open', async () => {
  const map = await PersistentMap.open('a', { dir })
  assert.equal(await codeOf(PersistentMap.open('a', { dir })), 'busy')
  await map.close()
  await (await PersistentMap.open('a', { dir })).close()
})

test('a later fence keeps an earlier run out, and a run without a lock is asked nothing', async () => {
  const second = await PersistentMap.open('a', { dir, fence: 2 })
  await second.set('a', 2, { durable: true })
  await second.close()
  assert.equal(await codeOf(PersistentMap.open('a', { dir, fence: 1 })), 'fenced')
  const third = await PersistentMap.open('a', { dir, fence: 3 })
  assert.equal(third.get('a'), 2)
  await third.close()
  const none = await PersistentMap.open('a', { dir })
  await none.set('a', 3, { durable: true })
  await none.close()
  assert.equal(await codeOf(PersistentMap.open('a', { dir, fence: 2 })), 'fenced')
})

test('names and places that are none are refused', async () => {
  for (const name of ['', 'A', '../a', 'a.b', 'a'.repeat(64)]) {
    assert.equal(await codeOf(PersistentMap.open(name, { dir })), 'place')
  }
  assert.equal(await codeOf(PersistentMap.open('a', { dir: join(dir, 'b', 'c') })), 'unwritable')
  writeFileSync(join(dir, 'file'), '')
  assert.equal(await codeOf(PersistentMap.open('a', { dir: join(dir, 'file') })), 'unwritable')
})

test('after close nothing is taken', async () => {
  const map = await PersistentMap.open('a', { dir })
  await Promise.all([map.close(), map.close()])
  assert.throws(() => map.set('a', 1), { code: 'closed' })
  assert.equal(await codeOf(map.flush()), 'closed')
})

test('a directory that may not be written raises', async () => {
  const isRoot = process.getuid?.() === 0
  const own = join(dir, 'own')
  chmodSync(dir, 0o755)
  mkdirSync(own)
  chmodSync(own, 0o555)
  if (isRoot) process.seteuid?.(65534)
  try {
    assert.equal(await codeOf(PersistentMap.open('a', { dir: own })), 'unwritable')
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('a map on a disk that became read-only does not open', { skip: whyNot('ext4') }, async () => {
  const disk = new Disk('ext4', 16, join(dir, 'disk'))
  try {
    const options = { dir: join(dir, 'disk') }
    const map = await PersistentMap.open('a', options)
    await map.set('before', 1, { durable: true })
    disk.fail()
    assert.equal(await codeOf(map.set('after', 1, { durable: true })), 'unwritable')
    assert.equal(await codeOf(map.close()), 'unwritable')
    assert.equal(await codeOf(PersistentMap.open('a', options)), 'unwritable')
    const code =
      "from mark_sdk import *\ntry: PersistentMap('a')\nexcept StateWriteFailed: print('unwritable')"
    const env = { PATH: process.env.PATH, PYTHONPATH: PYTHON, MARK_STATE_DIR: options.dir }
    assert.equal(execFileSync('python3', ['-c', code], { encoding: 'utf8', env }), 'unwritable\n')
  } finally {
    disk.unmount()
  }
})

test('a full disk raises at the next call, and what it kept out is written once there is room', {
  skip: whyNot('tmpfs'),
}, async () => {
  const disk = mount('tmpfs', 1)
  const ballast = join(disk.dir, 'ballast')
  try {
    const map = await PersistentMap.open('a', { dir: disk.dir, interval: 10 })
    await map.set('before', 1, { durable: true })
    assert.throws(() => writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024)))
    map.set('after', 'x'.repeat(50_000))
    assert.equal(await codeOf(map.flush()), 'unwritable')
    assert.throws(() => map.set('more', 1), { code: 'unwritable' })
    assert.equal(map.get('more'), 1)
    rmSync(ballast)
    const end = performance.now() + 10_000
    while ((await codeOf(map.flush())) !== 'none' && performance.now() < end) await sleep(20)
    assert.throws(() => writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024)))
    map.set('late', 'x'.repeat(50_000))
    const began = performance.now()
    assert.equal(await codeOf(map.close()), 'unwritable')
    assert.ok(performance.now() - began < 5000)
    rmSync(ballast)
    const again = await PersistentMap.open('a', { dir: disk.dir })
    assert.deepEqual([...again.keys()].sort(), ['after', 'before', 'more'])
    await again.close()
  } finally {
    disk.unmount()
  }
})

test('close ends within 5 s of a disk that does not answer', { skip: whyNot('ext4') }, async t => {
  const disk = mount('ext4', 16)
  let isFrozen = false
  const freeze = (flag: string): void => {
    execFileSync('fsfreeze', [flag, disk.dir], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } })
  }
  try {
    const map = await PersistentMap.open('a', { dir: disk.dir })
    try {
      freeze('-f')
      isFrozen = true
    } catch (error) {
      await map.close()
      return t.skip(`this host cannot freeze a file system: ${(error as Error).message}`)
    }
    map.set('a', 1)
    const began = performance.now()
    const code = await codeOf(map.close())
    const tookMs = performance.now() - began
    assert.equal(code, 'slow')
    assert.ok(tookMs < 5000, `${tookMs} ms`)
  } finally {
    if (isFrozen) freeze('-u')
    disk.unmount()
  }
})
