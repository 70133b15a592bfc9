import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { ArchiveReader, archiveName, archivesOf, pruneArchives } from './log-archive.ts'
import { compressLogs } from './log-compress.ts'
import { settledAt, writeOrigin } from './log-origin.ts'
import { LogPress, SOME_LEFT } from './log-press.ts'
import { linesSince, readRange, tailLines } from './log-reader.ts'
import { boundOwnLog } from './own-log.ts'

let logs: string
const DAY_MS = 86_400_000

beforeEach(() => {
  logs = join(mkdtempSync(join(tmpdir(), 'compress-')), 'logs')
  mkdirSync(join(logs, 'vida'), { recursive: true })
})
afterEach(() => rmSync(join(logs, '..'), { recursive: true, force: true }))

/** Archives of these texts, one after the other, the first `ageMs` old; the whole. */
function archived(texts: readonly string[], ageMs = DAY_MS): string {
  let at = 0
  for (const [index, text] of texts.entries()) {
    const path = join(logs, 'vida', archiveName(at))
    writeFileSync(path, text)
    const time = (Date.now() - ageMs + index * 1000) / 1000
    utimesSync(path, time, time)
    at += text.length
  }
  writeFileSync(join(logs, 'vida.log'), 'live\n')
  writeOrigin(logs, 'vida', settledAt(2, at, at))
  return `${texts.join('')}live\n`
}

function long(name: string): string {
  return Array.from({ length: 60_000 }, (_, n) => `${name} ${n} ${Math.sin(n)}\n`).join('')
}

test('compressed archives read the same at every offset, and `zstd -dc` reads them too', t => {
  const texts = [long('one'), 'short\n', long('two')]
  const whole = archived(texts)
  assert.equal(compressLogs(logs, Date.now()), true)
  assert.deepEqual(
    readdirSync(join(logs, 'vida')).filter(name => !name.endsWith('.log.zst')),
    [],
  )
  assert.equal(readRange(logs, 'vida', 0, 1e9, 1e9).toString(), whole)
  for (let at = 0; at < whole.length; at += 300_007) {
    assert.equal(readRange(logs, 'vida', at, at + 5000, 5000).toString(), whole.slice(at, at + 5000))
  }
  assert.deepEqual(
    tailLines(logs, 'vida', 70_000).map(({ text }) => text),
    whole.trimEnd().split('\n').slice(-70_000),
  )
  const [first] = archivesOf(logs, 'vida')
  assert.ok(first!.storedBytes < texts[0]!.length / 2)
  if (spawnSync('zstd', ['--version']).error) return t.diagnostic('zstd is not installed here')
  assert.equal(execFileSync('zstd', ['-dc', first!.path], { maxBuffer: 1e9 }).toString(), texts[0])
})

test('young ones wait, and one that is still in the live file is never touched', () => {
  archived(['a\n'.repeat(100)], 1000)
  assert.equal(compressLogs(logs, Date.now()), false)
  writeOrigin(logs, 'vida', settledAt(4, 0, 0))
  assert.equal(compressLogs(logs, Date.now(), 0), false)
  assert.equal(archivesOf(logs, 'vida')[0]?.packed, false)
})

test('both forms at once are one archive; a damaged one is a gap, and goes in its turn', () => {
  archived(['first\n'.repeat(50), 'second\n'.repeat(50)])
  const plain = readFileSync(join(logs, 'vida', archiveName(0)))
  compressLogs(logs, Date.now())
  writeFileSync(join(logs, 'vida', archiveName(0)), plain)
  assert.equal(archivesOf(logs, 'vida').length, 2)
  assert.equal(archivesOf(logs, 'vida')[0]?.packed, false)
  rmSync(join(logs, 'vida', archiveName(0)))
  truncateSync(join(logs, 'vida', `${archiveName(0)}.zst`), 20)
  const lines = tailLines(logs, 'vida', 1000)
  assert.equal(lines[0]?.text, 'second')
  assert.equal(lines.length, 51)
  pruneArchives(logs, 'vida', 0, { keep: 1, quotaBytes: 1e9 })
  assert.deepEqual(readdirSync(join(logs, 'vida')), [`${archiveName(300)}.zst`])
})

test('flipped bytes in a compressed archive are never given out as lines', () => {
  const text = long('x')
  archived([text])
  compressLogs(logs, Date.now())
  const path = join(logs, 'vida', `${archiveName(0)}.zst`)
  const bytes = readFileSync(path)
  for (let at = 3; at < bytes.length; at += Math.floor(bytes.length / 40)) {
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] as number) ^ 0x04
    writeFileSync(path, flipped)
    const [archive] = archivesOf(logs, 'vida')
    const reader = new ArchiveReader()
    for (let from = 0; from < (archive?.end ?? 0); from += 500_000) {
      const piece = reader.read(archive!, from, 1000)
      if (piece) assert.equal(piece.toString(), text.slice(from, from + piece.length))
    }
  }
})

test('archives older than the retention go, whatever keep and quota allow', () => {
  archived(['a\n', 'b\n', 'c\n'])
  const olderThanMs = Date.now() - DAY_MS + 1500
  assert.equal(pruneArchives(logs, 'vida', 0, { keep: 9, quotaBytes: 1e9, olderThanMs }), 2)
  assert.equal(archivesOf(logs, 'vida').length, 1)
})

test('lines since a time leave out archives that ended before it', () => {
  archived(['old\n', 'newer\n'])
  writeOrigin(logs, 'vida', settledAt(2, 10, 10))
  const index = `${Date.now() - 100} 10 r\n`
  writeFileSync(join(logs, 'vida.idx'), index)
  assert.deepEqual(
    linesSince(logs, 'vida', Date.now() - 60_000).map(({ text }) => text),
    ['newer', 'live'].slice(1),
  )
})

test('the niced child does it by itself, and says when some are left', async () => {
  archived([long('one')])
  const done = await batch()
  assert.equal(done, 0)
  assert.equal(archivesOf(logs, 'vida')[0]?.packed, true)
  archived(['young\n'], 0)
  assert.equal(await batch(), SOME_LEFT)
})

function batch(): Promise<number | null> {
  const main = join(import.meta.dirname, 'compress-logs', 'main.ts')
  return Promise.resolve(spawnSync(process.execPath, [main, logs], { stdio: 'inherit' }).status)
}

test('batches are seldom, sooner when much waits, and put off while the host is busy', () => {
  let now = 0
  let busy = false
  const children: EventEmitter[] = []
  const press = new LogPress({
    logs,
    monoMs: () => now,
    isBusy: () => busy,
    start: () => {
      const child = Object.assign(new EventEmitter(), { unref() {}, kill: () => true })
      children.push(child)
      return child as never
    },
  })
  const startedAt = (ms: number): number => {
    now = ms
    press.tick()
    return children.length
  }
  assert.equal(startedAt(100_000), 0, 'nothing waits')
  press.await(1000)
  assert.equal(startedAt(100_001), 1)
  press.await(1000)
  assert.equal(startedAt(140_000), 1, 'one at a time')
  children[0]?.emit('exit', 0, null)
  assert.equal(startedAt(140_001), 2)
  children[1]?.emit('exit', SOME_LEFT, null)
  assert.equal(startedAt(150_000), 2, 'not oftener than every 30 s')
  press.await(300 * 1024 * 1024)
  assert.equal(startedAt(150_001), 3, 'much waits')
  children[2]?.emit('exit', 0, null)
  busy = true
  press.await(1)
  assert.equal(startedAt(400_000), 3, 'busy')
  assert.equal(startedAt(150_001 + 10 * 60_000 + 1), 4, 'not for ever')
})

test("MARK's own log becomes `.1` when it is large, once", () => {
  const path = join(logs, 'keeper.log')
  assert.equal(boundOwnLog(path), false)
  writeFileSync(path, 'x'.repeat(100))
  assert.equal(boundOwnLog(path, 100), false)
  assert.equal(boundOwnLog(path, 99), true)
  assert.equal(statSync(`${path}.1`).size, 100)
  mkdirSync(path)
  assert.equal(boundOwnLog(path, 0), false)
})
