import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { LogSpec } from '../core/plan.ts'
import { loadLibc } from './libc.ts'
import { archivesOf } from './log-archive.ts'
import { LogClock } from './log-clock.ts'
import { logicalSize, openForRun, readIndex } from './log-file.ts'
import { ringOf } from './log-probe.ts'
import { readRange } from './log-reader.ts'
import { LogRing, type RingOptions } from './log-ring.ts'

const MB = 1024 * 1024
const SPEC: LogSpec = {
  maxSizeBytes: MB,
  keep: 100,
  quotaBytes: 1e12,
  reserveBytes: 64 * 1024,
  rotate: 'ring',
  levelPattern: null,
}
const libc = loadLibc()
const skip = libc === null ? 'koffi cannot be loaded here' : false
let logs: string
let rings: LogRing[] = []

beforeEach(() => {
  logs = join(mkdtempSync(join(tmpdir(), 'ring-')), 'logs')
  mkdirSync(logs)
})
afterEach(() => {
  for (const ring of rings) ring.close()
  rings = []
  rmSync(join(logs, '..'), { recursive: true, force: true })
})

function ringWith(more: Partial<RingOptions> = {}): LogRing {
  const clocks = { monoMs: () => performance.now(), wallMs: () => Date.now() }
  const ring = new LogRing(logs, { calls: libc, ...clocks, ...more })
  rings.push(ring)
  return ring
}

function log(bytes: number, from = 0): string {
  let text = ''
  for (let n = from; text.length < bytes; n++) text += `${n} ${'w'.repeat(n % 70)}\n`
  appendFileSync(join(logs, 'vida.log'), text)
  return text
}

async function look(ring: LogRing): Promise<void> {
  ring.tick()
  await ring.idle()
}

function all(): string {
  return readRange(logs, 'vida', 0, Number.MAX_SAFE_INTEGER, 1 << 28).toString()
}

test('past max_size all but the end is archived, and nothing is done before', { skip }, async () => {
  const ring = ringWith()
  ring.follow('vida', SPEC)
  let text = log(MB - 70_000)
  await look(ring)
  assert.deepEqual(archivesOf(logs, 'vida'), [])
  text += log(100_000)
  await look(ring)
  assert.equal(archivesOf(logs, 'vida').length, 1)
  const live = logicalSize(logs, 'vida') - archivesOf(logs, 'vida')[0]!.end
  assert.ok(live > 190_000 && live < 400_000, `${live} bytes stay`)
  assert.equal(all(), text)
})

test('keep and quota hold at each cut, and offsets go on', { skip }, async () => {
  const ring = ringWith()
  ring.follow('vida', { ...SPEC, keep: 2 })
  let text = ''
  for (let round = 0; round < 5; round++) {
    text += log(2 * MB, round)
    await look(ring)
  }
  assert.equal(archivesOf(logs, 'vida').length, 2)
  assert.equal(logicalSize(logs, 'vida'), text.length)
  assert.equal(all(), text.slice(archivesOf(logs, 'vida')[0]!.start))
  ring.follow('vida', { ...SPEC, quotaBytes: 3 * MB })
  text += log(2 * MB)
  await look(ring)
  assert.equal(archivesOf(logs, 'vida').length, 1)
})

test('room is kept ahead of the end, and nothing is written while nothing is logged', { skip }, async () => {
  const ring = ringWith()
  ring.follow('vida', { ...SPEC, reserveBytes: MB })
  log(10_000)
  await look(ring)
  const { size, blocks, mtimeMs } = statSync(join(logs, 'vida.log'))
  assert.equal(size, all().length)
  if ((await ringOf(logs, libc!)) === 'collapse') assert.ok(blocks * 512 >= MB, `${blocks * 512} bytes`)
  const before = readdirSync(logs).map(name => [name, statSync(join(logs, name)).mtimeMs])
  for (let n = 0; n < 5; n++) await look(ring)
  assert.deepEqual(
    readdirSync(logs).map(name => [name, statSync(join(logs, name)).mtimeMs]),
    before,
  )
  assert.equal(statSync(join(logs, 'vida.log')).mtimeMs, mtimeMs)
})

test('a log that somebody emptied goes on with offsets that were never used', { skip }, async () => {
  const ring = ringWith()
  ring.follow('vida', SPEC)
  const text = log(2 * MB)
  await look(ring)
  truncateSync(join(logs, 'vida.log'), 0)
  await look(ring)
  appendFileSync(join(logs, 'vida.log'), 'again\n')
  await look(ring)
  const [archive] = archivesOf(logs, 'vida')
  assert.equal(all(), `${text.slice(0, archive!.end)}again\n`)
})

test('without koffi, or with `rotate: rename`, a log is renamed at the next run', async () => {
  const cases: [Partial<RingOptions>, LogSpec][] = [
    [{ calls: null }, SPEC],
    [{}, { ...SPEC, rotate: 'rename' }],
  ]
  for (const [options, spec] of cases) {
    rmSync(logs, { recursive: true })
    mkdirSync(logs)
    const ring = ringWith(options)
    ring.follow('vida', spec)
    const text = log(3 * MB)
    await look(ring)
    await look(ring)
    assert.deepEqual(archivesOf(logs, 'vida'), [])
    assert.equal(openForRun({ logs }, 'vida', spec, 0).logicalStart, text.length)
    assert.equal(archivesOf(logs, 'vida')[0]?.end, text.length)
    assert.equal(all(), text)
  }
})

test('a file system that refuses is said once, and again when it is well', { skip }, async () => {
  let refuse = true
  let now = 0
  const said: (string | null)[] = []
  const calls = {
    ...libc!,
    collapseFront: (fd: number, length: number) =>
      refuse && length > 64 * 1024 ? Promise.reject(new Error('EIO')) : libc!.collapseFront(fd, length),
    punchHole: (...args: [number, number, number]) =>
      refuse && args[2] > 64 * 1024 ? Promise.reject(new Error('EIO')) : libc!.punchHole(...args),
  }
  const ring = ringWith({ calls, monoMs: () => now, onTrouble: (_, why) => said.push(why) })
  ring.follow('vida', SPEC)
  const text = log(2 * MB)
  for (let n = 0; n < 3; n++, now += 11_000) await look(ring)
  assert.equal(all(), text)
  refuse = false
  await look(ring)
  assert.equal(all(), text)
  assert.deepEqual(said, ['EIO', null])
})

test('the clock marks growth each second, across cuts, and drives the ring', { skip }, async () => {
  const ring = ringWith()
  let now = 1000
  const clock = new LogClock(logs, () => now, { ring })
  clock.follow('vida', 'run-1', SPEC)
  let length = 0
  for (let n = 0; n < 4; n++, now += 1000) {
    length += log(700_000).length
    clock.tick()
    await ring.idle()
    clock.tick()
  }
  clock.close()
  assert.ok(archivesOf(logs, 'vida').length > 0)
  const entries = readIndex(logs, 'vida')
  assert.equal(entries.at(-1)?.offset, length)
  assert.deepEqual(
    entries.map(({ timeMs }) => timeMs),
    entries.map(({ timeMs }) => timeMs).sort((a, b) => a - b),
  )
  assert.match(readFileSync(join(logs, 'vida.idx'), 'utf8'), /^1000 \d+ run-1\n/)
})
