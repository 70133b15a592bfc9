import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import type { LogLine } from '../core/log-line.ts'
import type { LogSpec } from '../core/plan.ts'
import { archivesOf } from './log-archive.ts'
import { appendIndex, logicalSize, openForRun } from './log-file.ts'
import { followLog, linesSince, readRange, tailLines } from './log-reader.ts'

const SPEC: LogSpec = {
  maxSizeBytes: 1000,
  keep: 1000,
  quotaBytes: 1e9,
  reserveBytes: 0,
  rotate: 'rename',
  levelPattern: null,
}
let logs: string
let following: { close(): void }[] = []

beforeEach(() => {
  logs = join(mkdtempSync(join(tmpdir(), 'reader-')), 'logs')
  mkdirSync(logs)
})
afterEach(() => {
  for (const follower of following) follower.close()
  following = []
  rmSync(join(logs, '..'), { recursive: true, force: true })
})

function log(text: string | Buffer): void {
  appendFileSync(join(logs, 'vida.log'), text)
}

function rotate(text = '', spec = SPEC): void {
  const { fd } = openForRun({ logs }, 'vida', spec, 0)
  writeSync(fd, text)
  closeSync(fd)
}

function texts(lines: readonly LogLine[]): string[] {
  return lines.map(({ text }) => text)
}

/** Follows and resolves once `enough` lines, or what `enough` says, are there. */
function follow(from: number, enough: (lines: LogLine[]) => boolean): Promise<LogLine[]> {
  const got: LogLine[] = []
  return new Promise(resolve => {
    const follower = followLog(logs, 'vida', from, lines => {
      got.push(...lines)
      if (enough(got)) resolve(got)
    })
    following.push(follower)
  })
}

test('no log has no lines and no bytes', () => {
  assert.deepEqual(tailLines(logs, 'vida', 10), [])
  assert.deepEqual(linesSince(logs, 'vida', 0), [])
  assert.equal(readRange(logs, 'vida', 0, 100, 100).length, 0)
})

test('the last lines are those that tail would print, wherever the file was rotated', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.stringMatching(/^[a-z]{0,90}$/), { maxLength: 40 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      (runs, count) => {
        rmSync(logs, { recursive: true })
        mkdirSync(logs)
        for (const lines of runs) rotate(lines.map(line => `${line}\n`).join(''))
        const all = runs.flat()
        const tail = tailLines(logs, 'vida', count)
        assert.deepEqual(texts(tail), all.slice(-count))
        const total = logicalSize(logs, 'vida')
        for (const line of tail) {
          assert.equal(readRange(logs, 'vida', line.offset, line.end, 1000).toString(), `${line.text}\n`)
        }
        assert.equal(tail.at(-1)?.end ?? total, total)
      },
    ),
    { numRuns: 60 },
  )
})

test('`before` pages back without a gap or a repetition', () => {
  for (let n = 0; n < 200; n++) log(`line ${n}\n`)
  const pages: string[] = []
  for (
    let page = tailLines(logs, 'vida', 30);
    page.length > 0;
    page = tailLines(logs, 'vida', 30, { before: page[0]!.offset })
  ) {
    pages.unshift(...texts(page))
  }
  assert.deepEqual(
    pages,
    Array.from({ length: 200 }, (_, n) => `line ${n}`),
  )
})

test('a last line without its newline is shown as such, or left for the follower', () => {
  log('one\ntwo\nthr')
  const tail = tailLines(logs, 'vida', 2)
  assert.deepEqual(
    tail.map(({ text, continued }) => [text, continued]),
    [
      ['two', false],
      ['thr', true],
    ],
  )
  assert.deepEqual(texts(tailLines(logs, 'vida', 2, { complete: true })), ['two'])
})

test('times, levels and runs are told; what a line does not say comes from what is known', () => {
  appendIndex(logs, 'vida', { timeMs: 1000, offset: 0, runId: 'first' })
  log('starting\n2026-11-22T15:43:07.123Z ERROR it broke\nTraceback\n')
  const end = logicalSize(logs, 'vida')
  appendIndex(logs, 'vida', { timeMs: 2000, offset: end, runId: 'first' })
  appendIndex(logs, 'vida', { timeMs: Date.UTC(2027, 0, 1), offset: end, runId: 'second' })
  log('again\n')
  const at = Date.UTC(2026, 10, 22, 15, 43, 7, 123)
  assert.deepEqual(
    tailLines(logs, 'vida', 10).map(({ text, timeMs, exact, level, runId }) => [
      text,
      timeMs,
      exact,
      level,
      runId,
    ]),
    [
      ['starting', 1000, false, null, 'first'],
      ['2026-11-22T15:43:07.123Z ERROR it broke', at, true, 'error', 'first'],
      ['Traceback', at, false, null, 'first'],
      ['again', Date.UTC(2027, 0, 1), false, null, 'second'],
    ],
  )
})

test('lines since a time are found by their own time and by the index', () => {
  const start = Date.UTC(2026, 0, 1)
  for (let n = 0; n < 600; n++) {
    if (n % 100 === 0)
      appendIndex(logs, 'vida', { timeMs: start + n * 1000, offset: logicalSize(logs, 'vida'), runId: null })
    log(`${new Date(start + n * 1000).toISOString()} n=${n}\n`)
  }
  const found = linesSince(logs, 'vida', start + 450_000)
  assert.equal(found.length, 150)
  assert.match(found[0]!.text, /n=450$/)
  assert.equal(linesSince(logs, 'vida', start + 450_000, { limit: 10 }).length, 10)
  assert.equal(linesSince(logs, 'vida', start).length, 600)
})

test('bytes that are no text, and lines without end, are shown in pieces of bounded size', () => {
  log(Buffer.from([0xff, 0xfe, 0x00, 0x0a]))
  log(
    Buffer.concat([
      Buffer.from(`${'a'.repeat(65_535)}€`),
      Buffer.from('b'.repeat(100_000)),
      Buffer.from('\nend\n'),
    ]),
  )
  const lines = tailLines(logs, 'vida', 100)
  assert.deepEqual(
    lines.map(({ text, continued }) => [text.length, continued]),
    [
      [3, false],
      [65_535, true],
      [65_534, true],
      [100_001 - 65_534, false],
      [3, false],
    ],
  )
  assert.equal(lines[2]!.text[0], '€', 'a character is not cut in two')
  for (const [index, line] of lines.entries()) assert.equal(line.offset, lines[index - 1]?.end ?? 0)
})

test('what is asked for but no longer kept is left out', () => {
  const spec = { ...SPEC, keep: 1 }
  for (let n = 0; n < 5; n++) rotate(`${n}`.repeat(1500), spec)
  assert.equal(archivesOf(logs, 'vida').length, 1)
  const bytes = readRange(logs, 'vida', 0, 1e9, 1e9).toString()
  assert.equal(bytes, '3'.repeat(1500) + '4'.repeat(1500))
  assert.equal(readRange(logs, 'vida', 0, 1e9, 10).toString(), '3333333333')
  assert.equal(readRange(logs, 'vida', 7000, 6000, 10).length, 0)
})

test('following gives each line once, in order, while runs write and files are rotated', async () => {
  const writer = `
    const { openForRun } = await import('${import.meta.dirname}/log-file.ts')
    const fs = await import('node:fs')
    let n = 0
    for (let run = 0; run < 40; run++) {
      const { fd } = openForRun({ logs: '${logs}' }, 'vida', ${JSON.stringify(SPEC)}, Date.now())
      for (let i = 0; i < 250; i++) {
        const text = 'line ' + n++ + ' ' + 'x'.repeat(n % 50) + '\\n'
        const cut = n % text.length
        fs.writeSync(fd, text.slice(0, cut))
        fs.writeSync(fd, text.slice(cut))
      }
      fs.closeSync(fd)
      await new Promise(resolve => setTimeout(resolve, 5))
    }`
  const all = follow(0, lines => lines.length >= 10_000)
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer], { stdio: 'inherit' })
  await once(child, 'exit')
  const lines = await all
  assert.ok(archivesOf(logs, 'vida').length > 20)
  assert.deepEqual(
    texts(lines),
    Array.from({ length: 10_000 }, (_, n) => `line ${n} ${'x'.repeat((n + 1) % 50)}`),
  )
  for (const [index, line] of lines.entries()) assert.equal(line.offset, lines[index - 1]?.end ?? 0)
})

test('following begins where a tail ended, and a line half written is not torn', async () => {
  log('one\ntwo\nthr')
  const tail = tailLines(logs, 'vida', 10, { complete: true })
  const rest = follow(tail.at(-1)!.end, lines => lines.length >= 2)
  log('ee\nfour\n')
  assert.deepEqual(texts(await rest), ['three', 'four'])
})

test('a line whose end never comes is given after two seconds', async () => {
  log('Continue? ')
  const began = performance.now()
  const [line] = await follow(0, lines => lines.length > 0)
  assert.deepEqual([line?.text, line?.continued], ['Continue? ', true])
  assert.ok(performance.now() - began > 1500 && performance.now() - began < 4000)
})

test('a log that does not exist yet is followed once it does, and one that was emptied goes on', async () => {
  const first = follow(0, lines => lines.length >= 1)
  log('hello\n')
  assert.deepEqual(texts(await first), ['hello'])
  const second = follow(6, lines => lines.length >= 1)
  writeFileSync(join(logs, 'vida.log'), 'new\n')
  assert.deepEqual(texts(await second), ['new'])
})

test('following a flood takes little memory and does not stop the loop', async () => {
  const line = `${'x'.repeat(99)}\n`
  const block = Buffer.from(line.repeat(100_000))
  for (let n = 0; n < 4; n++) log(block)
  let count = 0
  let ticks = 0
  const before = process.memoryUsage().rss
  await new Promise<void>(resolve => {
    const tick = setInterval(() => ticks++, 1)
    following.push(
      followLog(logs, 'vida', 0, lines => {
        count += lines.length
        if (count < 400_000) return
        clearInterval(tick)
        resolve()
      }),
    )
  })
  assert.equal(count, 400_000)
  assert.ok(ticks > 50, `${ticks} ticks`)
  assert.ok(process.memoryUsage().rss - before < 150 * 1024 * 1024)
})

test('nothing comes after close', async () => {
  log('one\n')
  let count = 0
  const first = await new Promise<{ close(): void }>(resolve => {
    const follower = followLog(logs, 'vida', 0, () => {
      count++
      setImmediate(() => resolve(follower))
    })
  })
  first.close()
  log('two\n')
  const second = await follow(0, lines => lines.length >= 2)
  assert.equal(second.length, 2)
  assert.equal(count, 1)
})
