import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { archivesOf } from './log-archive.ts'
import { cutFront } from './log-cut.ts'
import { baseOf, logicalSize, openForRun } from './log-file.ts'
import { type LogOrigin, parseOrigin, readOrigin, settledAt, writeOrigin } from './log-origin.ts'
import { ringOf } from './log-probe.ts'
import { readRange } from './log-reader.ts'
import { removeLeftOvers, settleLog } from './log-settle.ts'
import { loadLibc } from './libc.ts'

let logs: string
const libc = loadLibc()
const noLibc = libc === null ? 'koffi cannot be loaded here' : false

beforeEach(() => {
  logs = join(mkdtempSync(join(tmpdir(), 'origin-')), 'logs')
  mkdirSync(logs)
})
afterEach(() => rmSync(join(logs, '..'), { recursive: true, force: true }))

const CUTTING: LogOrigin = {
  ...settledAt(8, 123_456_789_012, 123_456_790_000),
  counter: 9,
  phase: 'cutting',
  nextBase: 999_999_999_999,
  nextKept: 1_000_000_000_123,
  nonce: 'ab'.repeat(16),
  inode: 18_446_744,
  saved: Buffer.alloc(48, 255).toString('base64url'),
}

test('a record comes back as it was written, and has a fixed size', () => {
  for (const origin of [settledAt(0, 0, 0), settledAt(7, 5, 6), CUTTING]) {
    writeOrigin(logs, 'vida', origin)
    assert.deepEqual(readOrigin(logs, 'vida'), origin)
    assert.equal(readFileSync(join(logs, 'vida.base')).length, 512)
  }
})

test('one flipped bit anywhere does no harm, as the other copy answers', () => {
  writeOrigin(logs, 'vida', CUTTING)
  const bytes = readFileSync(join(logs, 'vida.base'))
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] as number) ^ 0x10
    assert.deepEqual(parseOrigin(flipped), CUTTING, `byte ${at}`)
  }
})

test('a record cut off anywhere is either whole or not believed', () => {
  writeOrigin(logs, 'vida', CUTTING)
  const bytes = readFileSync(join(logs, 'vida.base'))
  for (let length = 0; length < bytes.length; length++) {
    const found = parseOrigin(bytes.subarray(0, length))
    if (found) assert.deepEqual(found, CUTTING)
    else assert.ok(length < 256, `${length} bytes`)
  }
})

test('what 0.1 wrote is still read', () => {
  assert.equal(parseOrigin(Buffer.from('12345\n'))?.base, 12_345)
  assert.equal(parseOrigin(Buffer.from('')), null)
  assert.equal(parseOrigin(Buffer.from('garbage')), null)
})

/** Lines of all lengths, none like another. */
function numbered(from: number, to: number): string {
  let text = ''
  for (let n = from; n < to; n++) text += `${n} ${'z'.repeat((n * 7) % 90)}\n`
  return text
}

async function cutSeveral(): Promise<string> {
  const calls = libc!
  const mode = await ringOf(logs, calls)
  if (mode === 'rename') return ''
  let text = ''
  for (let round = 0; round < 3; round++) {
    const more = numbered(round * 10_000, round * 10_000 + 10_000)
    appendFileSync(join(logs, 'vida.log'), more)
    text += more
    settleLog(logs, 'vida')
    const { kind } = await cutFront({ logs, module: 'vida', mode, leaveBytes: 64 * 1024, calls })
    assert.equal(kind, 'cut')
  }
  return text
}

test('a base torn at any length, or gone, is concluded from archives and live file', {
  skip: noLibc,
}, async t => {
  const text = await cutSeveral()
  if (readOrigin(logs, 'vida')?.base === 0) return t.skip('this file system does not cut')
  const path = join(logs, 'vida.base')
  const bytes = readFileSync(path)
  for (let length = 0; length < bytes.length; length += 5) {
    writeFileSync(path, bytes.subarray(0, length))
    assert.equal(logicalSize(logs, 'vida'), text.length, `${length} bytes left`)
  }
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), text)
  rmSync(path)
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), text)
  removeLeftOvers(logs, 'vida', settleLog(logs, 'vida'))
  assert.deepEqual(readOrigin(logs, 'vida')?.base, parseOrigin(bytes)?.base)
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), text)
  assert.equal(archivesOf(logs, 'vida').length, 3)
})

test('an archive that a kill left before anything was cut is not read twice, and goes', () => {
  const text = numbered(0, 3000)
  writeFileSync(join(logs, 'vida.log'), text)
  const origin = settleLog(logs, 'vida')
  mkdirSync(join(logs, 'vida'))
  writeFileSync(join(logs, 'vida', `${'0'.repeat(20)}.log`), text.slice(0, 8192))
  writeFileSync(join(logs, 'vida', `${'0'.repeat(20)}.log.tmp`), 'half')
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), text)
  removeLeftOvers(logs, 'vida', origin)
  assert.deepEqual(archivesOf(logs, 'vida'), [])
})

const SPEC = {
  maxSizeBytes: 1000,
  keep: 9,
  quotaBytes: 1e9,
  reserveBytes: 0,
  rotate: 'rename' as const,
  levelPattern: null,
}

test('killed in the midst of a rename, the inode tells whether it had happened', () => {
  const text = numbered(0, 100)
  writeFileSync(join(logs, 'vida.log'), text)
  const before = settleLog(logs, 'vida')
  const moved = { nextBase: text.length, nextKept: text.length, phase: 'renaming' as const }
  writeOrigin(logs, 'vida', { ...before, ...moved, counter: before.counter + 1, inode: 1 })
  assert.equal(baseOf(logs, 'vida'), text.length, 'another file: renamed')
  const { ino } = statSync(join(logs, 'vida.log'))
  writeOrigin(logs, 'vida', { ...before, ...moved, counter: before.counter + 1, inode: ino })
  assert.equal(baseOf(logs, 'vida'), 0, 'the same file: not yet')
  const { logicalStart } = openForRun({ logs }, 'vida', SPEC, 0)
  assert.equal(logicalStart, text.length)
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), text)
})

test('a cut that collapse refuses is taken back to the byte', async () => {
  const text = numbered(0, 3000)
  writeFileSync(join(logs, 'vida.log'), text)
  settleLog(logs, 'vida')
  const calls = { collapseFront: async () => 'unsupported' as const, punchHole: async () => 'done' as const }
  const request = { logs, module: 'vida', mode: 'collapse' as const, leaveBytes: 8192, calls }
  assert.deepEqual(await cutFront(request), { kind: 'unsupported' })
  assert.equal(readFileSync(join(logs, 'vida.log'), 'utf8'), text)
  assert.deepEqual(archivesOf(logs, 'vida'), [])
  const failing = { ...calls, collapseFront: () => Promise.reject(new Error('EIO')) }
  await assert.rejects(cutFront({ ...request, calls: failing }), /EIO/)
  assert.equal(readFileSync(join(logs, 'vida.log'), 'utf8'), text)
  assert.equal(readOrigin(logs, 'vida')?.phase, 'settled')
})

test('a log that is rotated or emptied while it is copied is left alone', async () => {
  const text = numbered(0, 3000)
  writeFileSync(join(logs, 'vida.log'), text)
  settleLog(logs, 'vida')
  const calls = {
    collapseFront: async () => assert.fail('cut'),
    punchHole: async () => assert.fail('punched'),
  }
  const outcome = await cutFront({
    ...{ logs, module: 'vida', mode: 'collapse', leaveBytes: 8192, calls },
    reached: step => {
      if (step === 'copied') openForRun({ logs }, 'vida', SPEC, 0)
    },
  })
  assert.deepEqual(outcome, { kind: 'moved' })
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), text)
})
