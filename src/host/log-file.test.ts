import assert from 'node:assert/strict'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { LogSpec } from '../core/plan.ts'
import { archivesOf } from './log-archive.ts'
import { appendIndex, baseOf, logicalSize, openForRun, readIndex } from './log-file.ts'
import { readRange } from './log-reader.ts'

const SPEC: LogSpec = {
  maxSizeBytes: 1000,
  keep: 3,
  quotaBytes: 1_000_000,
  reserveBytes: 0,
  rotate: 'rename',
  levelPattern: null,
}
let logs: string

beforeEach(() => {
  logs = join(mkdtempSync(join(tmpdir(), 'logs-')), 'logs')
})
afterEach(() => rmSync(join(logs, '..'), { recursive: true, force: true }))

/** One run that writes `text`; its logical start. */
function run(text: string, spec: LogSpec = SPEC, inUse = false): number {
  const { fd, logicalStart } = openForRun({ logs }, 'vida', spec, 1000, { inUse })
  writeSync(fd, text)
  closeSync(fd)
  return logicalStart
}

test('a new log begins at 0, is appended to, and only its owner and group may read it', () => {
  assert.equal(run('one\n'), 0)
  assert.equal(run('two\n'), 4)
  assert.equal(readFileSync(join(logs, 'vida.log'), 'utf8'), 'one\ntwo\n')
  assert.equal(statSync(join(logs, 'vida.log')).mode & 0o777, 0o640)
})

test('logical offsets never move, over any number of rotations', () => {
  let written = ''
  for (let n = 0; n < 10; n++) {
    const text = `${`${n}`.repeat(600)}\n`
    assert.equal(run(text), written.length)
    written += text
    assert.equal(logicalSize(logs, 'vida'), written.length)
  }
  const first = archivesOf(logs, 'vida')[0]!.start
  assert.equal(readRange(logs, 'vida', 0, written.length, 1_000_000).toString(), written.slice(first))
})

test('an archive is named by its logical start, and the oldest go beyond `keep`', () => {
  for (let n = 0; n < 12; n++) run('x'.repeat(1500))
  assert.deepEqual(
    archivesOf(logs, 'vida').map(({ start, end }) => [start, end]),
    [
      [12_000, 13_500],
      [13_500, 15_000],
      [15_000, 16_500],
    ],
  )
  assert.equal(readdirSync(join(logs, 'vida'))[0], '00000000000000012000.log')
  assert.equal(baseOf(logs, 'vida'), 16_500)
})

test('the oldest archives go until the quota holds', () => {
  const spec = { ...SPEC, keep: 100, quotaBytes: 5000 }
  for (let n = 0; n < 12; n++) run('x'.repeat(1500), spec)
  run('', spec)
  const kept = archivesOf(logs, 'vida')
  assert.equal(kept.length, 3)
  assert.equal(kept.at(-1)?.end, 18_000)
})

test('even if nothing is kept, offsets go on', () => {
  const spec = { ...SPEC, keep: 0 }
  run('x'.repeat(1500), spec)
  assert.equal(run('y', spec), 1500)
  assert.deepEqual(archivesOf(logs, 'vida'), [])
  assert.equal(logicalSize(logs, 'vida'), 1501)
})

test('a crash between the rename and the base leaves the offsets right', () => {
  run('x'.repeat(1500))
  run('y'.repeat(1500))
  rmSync(join(logs, 'vida.base'))
  assert.equal(baseOf(logs, 'vida'), 1500)
  writeFileSync(join(logs, 'vida.base'), '7')
  assert.equal(run('z'), 3000)
  assert.equal(readRange(logs, 'vida', 1499, 1501, 10).toString(), 'xy')
})

test('a log that another run still writes to is not moved', () => {
  run('x'.repeat(1500))
  assert.equal(run('y', SPEC, true), 1500)
  assert.deepEqual(archivesOf(logs, 'vida'), [])
})

test('a link, a directory or a FIFO in its place is refused, never followed or waited for', () => {
  mkdirSync(logs, { recursive: true })
  const target = join(logs, 'precious')
  writeFileSync(target, 'precious')
  symlinkSync(target, join(logs, 'vida.log'))
  assert.throws(() => run('x'), /ELOOP/)
  assert.equal(readFileSync(target, 'utf8'), 'precious')
  rmSync(join(logs, 'vida.log'))
  mkdirSync(join(logs, 'vida.log'))
  assert.throws(() => run('x'), /EISDIR|EEXIST|ENOTEMPTY/)
})

test('the index keeps times, offsets and runs, and leaves out what is damaged', () => {
  run('')
  appendIndex(logs, 'vida', { timeMs: 2000.7, offset: 10, runId: 'one' })
  writeFileSync(join(logs, 'vida.idx'), 'garbage\n3000 20', { flag: 'a' })
  assert.deepEqual(readIndex(logs, 'vida'), [
    { timeMs: 1000, offset: 0, runId: null },
    { timeMs: 2000, offset: 10, runId: 'one' },
  ])
})

test('the index never grows beyond 1 MB, and keeps the newest', () => {
  mkdirSync(logs, { recursive: true })
  for (let n = 0; n < 30_000; n++)
    appendIndex(logs, 'vida', { timeMs: n, offset: n, runId: '01ARYZ6S410000000000000000' })
  assert.ok(statSync(join(logs, 'vida.idx')).size <= 1024 * 1024 + 100)
  const entries = readIndex(logs, 'vida')
  assert.equal(entries.at(-1)?.offset, 29_999)
  assert.deepEqual(
    entries.map(({ offset }) => offset),
    Array.from(entries, (_, i) => 30_000 - entries.length + i),
  )
})

test('the start of a run is marked as its own', () => {
  const { fd } = openForRun({ logs }, 'vida', SPEC, 5, { runId: 'r1' })
  closeSync(fd)
  assert.deepEqual(readIndex(logs, 'vida'), [{ timeMs: 5, offset: 0, runId: 'r1' }])
})
