import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { FleetEvent } from '../core/view.ts'
import { Journal, type NewEvent } from './journal.ts'
import { readJournal } from './journal-reader.ts'
import { encodeRecord } from './journal-record.ts'

const NOW = { monoMs: 1, wallMs: 1_800_000_000_000 }
const JUMP = 100_000
let dir: string
let path: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'journal-'))
  path = join(dir, 'events.journal')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function event(n: number, kind: FleetEvent['kind'] = 'started', pad = ''): NewEvent {
  return {
    at: '2027-01-15T08:00:00.000Z',
    kind,
    module: 'vida',
    run_id: `run-${n}`,
    data: { n, text: `ü\n${pad}` },
  }
}

function write(count: number, from = 0): Journal {
  const journal = Journal.open(path, NOW)
  for (let n = from; n < from + count; n++) journal.append(event(n))
  return journal
}

function read(afterSeq = 0, limit = 100_000): FleetEvent[] {
  return readJournal(path, afterSeq, limit).events
}

function numbers(events: readonly FleetEvent[]): unknown[] {
  return events.map(({ data }) => data.n)
}

test('what is appended is on disk at once, numbered without a gap', () => {
  const journal = write(3)
  assert.deepEqual(numbers(read()), [0, 1, 2])
  assert.deepEqual(
    read().map(({ seq }) => seq),
    [1, 2, 3],
  )
  assert.equal(journal.lastSeq, 3)
  assert.ok(read().every(({ journal_id }) => journal_id === journal.journalId))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  journal.close()
})

test('a journal that is opened again goes on where it was, under the same name', () => {
  const first = write(3)
  first.close()
  const second = Journal.open(path, NOW)
  assert.deepEqual([second.journalId, second.lastSeq, second.repaired], [first.journalId, 3, null])
  assert.equal(second.append(event(3)).seq, 4)
  second.close()
})

test('torn at every byte of its last record, only that record is lost and no number is given twice', () => {
  write(3).close()
  const whole = readFileSync(path)
  const lastStart = whole.lastIndexOf(10, whole.length - 2) + 1
  for (let length = lastStart + 1; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length))
    const journal = Journal.open(path, NOW)
    assert.deepEqual(journal.repaired, { bytes: length - lastStart, records: 0 })
    const next = journal.append(event(9))
    assert.ok(next.seq > 3)
    journal.close()
    assert.deepEqual(numbers(read()), [0, 1, 9], `cut to ${length}`)
  }
})

test('cut anywhere, it opens, keeps every whole record before the cut, and can be written to', () => {
  write(4).close()
  const whole = readFileSync(path)
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length))
    const complete = whole.subarray(0, length).filter(byte => byte === 10).length
    const journal = Journal.open(path, NOW)
    journal.append(event(9))
    journal.close()
    assert.deepEqual(
      numbers(read()),
      [...[0, 1, 2, 3].slice(0, Math.max(0, complete - 1)), 9],
      `cut to ${length}`,
    )
  }
})

test('a flipped bit costs its own record, or that and its neighbour, and nothing else', () => {
  write(5).close()
  const whole = readFileSync(path)
  for (let bit = 0; bit < whole.length * 8; bit += 13) {
    const flipped = Buffer.from(whole)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    writeFileSync(path, flipped)
    const journal = Journal.open(path, NOW)
    journal.append(event(9))
    journal.close()
    const left = numbers(read())
    assert.equal(left.at(-1), 9)
    assert.ok(left.length >= 4, `bit ${bit}: ${left}`)
    const seqs = read().map(({ seq }) => seq)
    assert.deepEqual(
      seqs,
      [...new Set(seqs)].sort((a, b) => a - b),
    )
  }
})

test('a damaged record in the middle is skipped and counted, what follows it is kept', () => {
  write(3).close()
  const text = readFileSync(path, 'latin1')
  writeFileSync(path, text.replace('"n":1', '"n":7'), 'latin1')
  const journal = Journal.open(path, NOW)
  assert.deepEqual(journal.repaired, { bytes: 0, records: 1 })
  assert.deepEqual(numbers(read()), [0, 2])
  journal.close()
})

test('after another boot, or a repair, numbers jump over what may have been lost', () => {
  write(2).close()
  const text = readFileSync(path, 'utf8')
  const mark = JSON.parse(text.slice(9, text.indexOf('\n'))) as { boot_id: string }
  const rest = text.slice(text.indexOf('\n') + 1)
  writeFileSync(
    path,
    Buffer.concat([encodeRecord({ ...mark, boot_id: 'another' } as never), Buffer.from(rest)]),
  )
  const journal = Journal.open(path, NOW)
  assert.equal(journal.append(event(2)).seq, 2 + JUMP + 1)
  journal.close()
  assert.deepEqual(numbers(read(2)), [2])
})

test('exits of earlier keepers are known again', () => {
  const first = Journal.open(path, NOW)
  first.append(event(1, 'exited'))
  first.append(event(2, 'started'))
  first.close()
  const second = Journal.open(path, NOW)
  assert.deepEqual([...second.exits.keys()], ['run-1'])
  second.append(event(3, 'exited'))
  assert.deepEqual([...second.exits.keys()], ['run-1', 'run-3'])
  second.close()
})

test('a directory or a link in its place is set aside, and a journal is kept all the same', () => {
  mkdirSync(path)
  const first = write(1)
  first.close()
  assert.deepEqual(numbers(read()), [0])
  rmSync(path)
  symlinkSync(join(dir, 'elsewhere'), path)
  write(1, 5).close()
  assert.deepEqual(numbers(read()), [5])
  assert.equal(readdirSync(dir).filter(name => name.includes('corrupt')).length, 2)
})

test('it rolls at 4 MB, keeps its name and numbers, and the reader goes across', () => {
  const journal = Journal.open(path, NOW)
  const pad = 'x'.repeat(20_000)
  for (let n = 0; n < 500; n++) journal.append(event(n, 'exited', pad))
  journal.close()
  const rolled = readdirSync(dir).filter(name => /\.\d+$/.test(name))
  assert.equal(rolled.length, 2)
  assert.deepEqual(
    numbers(read()),
    Array.from({ length: 500 }, (_, n) => n),
  )
  assert.deepEqual(numbers(read(250, 3)), [250, 251, 252])
  rmSync(path)
  const again = Journal.open(path, NOW)
  assert.equal(again.journalId, journal.journalId, 'the newest segment still tells the name')
  assert.ok(again.append(event(500)).seq > 500)
  again.close()
})

test('segments go only when the archive has them, and then all but the newest eight', () => {
  const journal = Journal.open(path, NOW)
  const pad = 'x'.repeat(200_000)
  const rolled = (): number => readdirSync(dir).filter(name => /\.\d+$/.test(name)).length
  let n = 0
  while (rolled() < 12) journal.append(event(n++, 'started', pad))
  assert.equal(numbers(read()).length, n, 'nothing is deleted before the archive has it')
  journal.setCursor(journal.lastSeq)
  while (rolled() >= 12) journal.append(event(n++, 'started', pad))
  assert.equal(rolled(), 8)
  journal.close()
})

test('a full disk costs nothing but durability: what waited is written when there is room', context => {
  const script = `
    const { Journal } = await import('${import.meta.dirname}/journal.ts')
    const { rmSync, writeFileSync } = await import('node:fs')
    const now = { monoMs: 1, wallMs: 1 }
    const journal = Journal.open('${path}', now)
    const base = { at: '', kind: 'started', module: 'vida', run_id: 'r' }
    const event = n => ({ ...base, data: { n, pad: 'x'.repeat(n % 200) } })
    writeFileSync('${dir}/ballast', Buffer.alloc(40_000))
    let n = 0
    while (journal.durable && n < 1000) journal.append(event(n++))
    const fullAt = n
    for (let more = 0; more < 60; more++) journal.append(event(n++))
    const durable = [journal.durable]
    rmSync('${dir}/ballast')
    journal.flush()
    durable.push(journal.durable)
    journal.close()
    const { readJournal } = await import('${import.meta.dirname}/journal-reader.ts')
    const numbers = readJournal('${path}', 0, 10_000).events.map(found => found.data.n)
    const { repaired } = Journal.open('${path}', now)
    console.log(JSON.stringify({ fullAt, n, durable, numbers, repaired }))`
  // A file system of 64 KB in a mount namespace of its own: it is gone with the process.
  const mounted = 'mount -t tmpfs -o size=96k tmpfs "$1" && exec "$2" --input-type=module -e "$3"'
  let said: string
  try {
    const argv = ['-m', 'sh', '-c', mounted, 'sh', dir, process.execPath, script]
    said = execFileSync('unshare', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return context.skip('may not mount here')
  }
  const { fullAt, n, durable, numbers: found, repaired } = JSON.parse(said)
  assert.ok(fullAt > 5 && fullAt < 1000)
  assert.deepEqual(durable, [false, true])
  assert.deepEqual(
    found,
    Array.from({ length: n }, (_, i) => i),
  )
  assert.equal(repaired, null, 'no fragment was left behind')
})

test('what an fsync failed on is written again, to a new file: nothing is lost or given twice', context => {
  const script = `
    const { Journal } = await import('${import.meta.dirname}/journal.ts')
    const { readJournal } = await import('${import.meta.dirname}/journal-reader.ts')
    const journal = Journal.open('${path}', { monoMs: 1, wallMs: 1 })
    const event = n => ({ at: '', kind: 'started', module: 'vida', run_id: 'r', data: { n } })
    for (let n = 0; n < 20; n++) {
      journal.append(event(n))
      if (n % 5 === 4) journal.flush()
    }
    journal.flush()
    const numbers = readJournal('${path}', 0, 1000).events.map(found => found.data.n)
    console.log(JSON.stringify({ durable: journal.durable, numbers }))`
  let said: string
  try {
    const inject = [
      '-f',
      '-o',
      '/dev/null',
      '-e',
      'trace=fdatasync',
      '-e',
      'inject=fdatasync:error=EIO:when=1..2',
    ]
    const argv = [...inject, process.execPath, '--input-type=module', '-e', script]
    said = execFileSync('strace', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return context.skip('no strace here')
  }
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  assert.deepEqual(JSON.parse(said), { durable: true, numbers })
  assert.ok(readdirSync(dir).length > 1, 'the file that failed is kept')
})

test('with the disk gone the newest ten thousand events wait, and the rest is counted', () => {
  const journal = Journal.open(join(dir, 'missing', 'events.journal'), NOW)
  for (let n = 0; n < 10_050; n++) journal.append(event(n))
  assert.equal(journal.durable, false)
  assert.equal(journal.dropped, 51, 'the mark of the opening is the first to go')
  mkdirSync(join(dir, 'missing'))
  journal.append(event(10_050))
  assert.equal(journal.durable, true)
  path = join(dir, 'missing', 'events.journal')
  assert.equal(numbers(read()).at(-1), 10_050)
  journal.close()
})

test('everything that was acknowledged is there after kill -9, at any moment', async () => {
  const writer = join(dir, 'writer.ts')
  writeFileSync(
    writer,
    `const { Journal } = await import('${import.meta.dirname}/journal.ts')
     const journal = Journal.open('${path}', { monoMs: 1, wallMs: 1 })
     for (;;) {
       const data = { pad: 'x'.repeat(300) }
       const { seq } = journal.append({ at: '', kind: 'started', module: 'm', run_id: null, data })
       process.send(seq)
       await new Promise(setImmediate)
     }`,
  )
  let acknowledged = 0
  for (let round = 1; round <= 5; round++) {
    const child = fork(writer)
    child.on('message', seq => {
      acknowledged = Number(seq)
      if (acknowledged % 100 === round * 17) child.kill('SIGKILL')
    })
    await once(child, 'exit')
    const seqs = read().map(({ seq }) => seq)
    assert.deepEqual(
      seqs,
      Array.from({ length: seqs.length }, (_, i) => i + 1),
    )
    assert.ok(seqs.length >= acknowledged)
  }
})

test('a reader sees each event once while it is written and rolled', () => {
  const journal = Journal.open(path, NOW)
  const seen: number[] = []
  const pad = 'x'.repeat(30_000)
  for (let n = 0; n < 600; n++) {
    journal.append(event(n, 'started', pad))
    if (n % 7 === 0) seen.push(...read(seen.at(-1) ?? 0, 5).map(({ seq }) => seq))
  }
  for (let page = read(seen.at(-1)); page.length > 0; page = read(seen.at(-1)))
    seen.push(...page.map(({ seq }) => seq))
  assert.deepEqual(
    seen,
    Array.from({ length: 600 }, (_, i) => i + 1),
  )
  journal.close()
})

test('a torn end is not read until it is whole', () => {
  write(2).close()
  const whole = readFileSync(path)
  truncateSync(path, whole.length - 3)
  assert.deepEqual(numbers(read()), [0])
  assert.deepEqual(numbers(read(1)), [])
  appendFileSync(path, whole.subarray(whole.length - 3))
  assert.deepEqual(numbers(read(1)), [1])
})

test('another journal in its place is told by its id and read from its beginning', () => {
  const first = write(50)
  first.close()
  assert.equal(read(20).length, 30)
  rmSync(path)
  const second = write(5)
  const page = readJournal(path, 0, 10)
  assert.notEqual(page.journalId, first.journalId)
  assert.equal(page.journalId, second.journalId)
  assert.equal(page.events.length, 5)
  second.close()
})

test('no journal is an empty page', () => {
  assert.deepEqual(readJournal(path, 0, 10), { journalId: '', events: [] })
})

test('asking for what is new again and again reads only that', () => {
  const journal = write(5000)
  assert.equal(read().length, 5000)
  const began = performance.now()
  for (let n = 0; n < 200; n++) {
    const { seq } = journal.append(event(n))
    assert.deepEqual(
      read(seq - 1).map(found => found.seq),
      [seq],
    )
  }
  const eachMs = (performance.now() - began) / 200
  assert.ok(eachMs < 5, `${eachMs} ms each`)
  journal.close()
})
