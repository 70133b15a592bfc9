import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
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
import { afterEach, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { MarkError } from '../core/errors.ts'
import { peekChecked, readChecked, readRegularFile, writeAtomic, writeChecked } from './atomic-file.ts'

const KEEP = { mode: 0o600, fsync: false, keepBackup: true }
const PLAIN = { mode: 0o600, fsync: false }
let dir: string
let path: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'atomic-'))
  path = join(dir, 'plan.json')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('any document comes back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      writeChecked(path, value, KEEP)
      assert.deepEqual(readChecked(path), {
        value: JSON.parse(JSON.stringify(value)),
        source: 'file',
        setAside: [],
      })
    }),
  )
})

test('nothing there is nothing, not an error', () => {
  assert.deepEqual(readChecked(path), { value: null, source: 'none', setAside: [] })
})

test('the mode is exact under any umask, and no temporary file stays', () => {
  const umask = process.umask(0o077)
  try {
    writeAtomic(path, 'x', { mode: 0o644, fsync: true })
  } finally {
    process.umask(umask)
  }
  assert.equal(statSync(path).mode & 0o777, 0o644)
  assert.deepEqual(readdirSync(dir), ['plan.json'])
})

test('cut at every length, the file gives way to its backup and is kept aside', () => {
  writeChecked(path, { generation: 1 }, KEEP)
  writeChecked(path, { generation: 2 }, KEEP)
  const whole = readFileSync(path)
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length))
    const read = readChecked(path)
    assert.deepEqual([read.value, read.source], [{ generation: 1 }, 'backup'], `cut to ${length}`)
    assert.deepEqual(readFileSync(read.setAside[0]!), whole.subarray(0, length))
    rmSync(read.setAside[0]!)
  }
})

test('every single flipped bit is seen', () => {
  writeChecked(path, { generation: 1 }, KEEP)
  writeChecked(path, { generation: 2 }, KEEP)
  const whole = readFileSync(path)
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const flipped = Buffer.from(whole)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    writeFileSync(path, flipped)
    const read = readChecked(path)
    assert.deepEqual(
      [read.value, read.source, read.setAside.length],
      [{ generation: 1 }, 'backup', 1],
      `bit ${bit}`,
    )
    rmSync(read.setAside[0]!)
  }
})

test('both generations bad: nothing is invented, and both are kept aside', () => {
  writeFileSync(path, 'garbage')
  writeFileSync(`${path}.bak`, '')
  assert.deepEqual(readChecked(path), {
    value: null,
    source: 'none',
    setAside: [`${path}.corrupt-1`, `${path}.bak.corrupt-1`],
  })
  writeFileSync(path, 'more garbage')
  assert.deepEqual(readChecked(path).setAside, [`${path}.corrupt-2`])
  assert.equal(readFileSync(`${path}.corrupt-1`, 'utf8'), 'garbage')
})

test('a directory, a link, a FIFO and 65 MB are set aside, not followed or waited for', () => {
  const target = join(dir, 'elsewhere')
  const makers: Record<string, () => void> = {
    directory: () => mkdirSync(path),
    link: () => {
      writeChecked(target, 'not this', PLAIN)
      symlinkSync(target, path)
    },
    fifo: () => execFileSync('mkfifo', [path]),
    huge: () => execFileSync('truncate', ['-s', '65M', path]),
  }
  for (const [kind, make] of Object.entries(makers)) {
    writeChecked(path, 'before', PLAIN)
    writeChecked(path, kind, KEEP)
    rmSync(path)
    make()
    const read = readChecked(path)
    assert.deepEqual([read.value, read.source, read.setAside.length], ['before', 'backup', 1], kind)
    rmSync(path, { force: true })
  }
  assert.equal(peekChecked(target).value, 'not this')
})

test('a bad file never becomes the backup', () => {
  writeChecked(path, 'good', KEEP)
  writeChecked(path, 'newer', KEEP)
  writeFileSync(path, 'damage')
  writeChecked(path, 'newest', KEEP)
  assert.equal(peekChecked(path).value, 'newest')
  rmSync(path)
  assert.deepEqual(peekChecked(path), { value: 'good', source: 'backup' })
})

test('a document of a later version is refused and left untouched', () => {
  const newer = `mark2 ${'0'.repeat(64)} 2\n{}`
  writeFileSync(path, newer)
  for (const read of [readChecked, peekChecked]) {
    assert.throws(
      () => read(path),
      (error: unknown) => error instanceof MarkError && error.code === 'MARK_STATE_NEWER',
    )
  }
  assert.equal(readFileSync(path, 'utf8'), newer)
  assert.deepEqual(readdirSync(dir), ['plan.json'])
})

test('peeking moves nothing', () => {
  writeFileSync(path, 'garbage')
  assert.deepEqual(peekChecked(path), { value: null, source: 'none' })
  assert.deepEqual(readdirSync(dir), ['plan.json'])
})

test('a failed write leaves the old file and no rubbish', () => {
  writeChecked(path, 'old', PLAIN)
  mkdirSync(`${path}.d`)
  assert.throws(() => writeAtomic(`${path}.d`, 'x', PLAIN), /EISDIR|ENOTEMPTY|EEXIST/)
  assert.deepEqual(readdirSync(dir).sort(), ['plan.json', 'plan.json.d'])
  assert.equal(readChecked(path).value, 'old')
})

test('a link in the place of the file is replaced, what it leads to is not written', () => {
  const target = join(dir, 'precious')
  writeFileSync(target, 'precious')
  symlinkSync(target, path)
  writeAtomic(path, 'mine', PLAIN)
  assert.equal(readFileSync(target, 'utf8'), 'precious')
  assert.equal(readFileSync(path, 'utf8'), 'mine')
})

test('the backup is right also when it was the same file before', () => {
  writeChecked(path, 1, PLAIN)
  linkSync(path, `${path}.bak`)
  writeChecked(path, 2, KEEP)
  rmSync(path)
  assert.equal(readChecked(path).value, 1)
  assert.deepEqual(readdirSync(dir), ['plan.json.bak'])
})

test('at every kill -9 a reader finds one generation or the next, never a third', async () => {
  const script = `
    const { writeChecked } = await import('${import.meta.dirname}/atomic-file.ts')
    process.send('up')
    for (let n = 0; ; n++) writeChecked('${path}', { n, pad: 'x'.repeat(20000) }, ${JSON.stringify(KEEP)})`
  const { fork } = await import('node:child_process')
  const { once } = await import('node:events')
  const file = join(dir, 'writer.ts')
  writeFileSync(file, script)
  let last = -1
  for (let round = 0; round < 6; round++) {
    const writer = fork(file)
    await once(writer, 'message')
    for (let reads = 0; reads < 50 * round || !existsSync(path); reads++) {
      const seen = peekChecked(path).value as { n: number } | null
      if (seen) last = seen.n
      if (reads % 10 === 0) await new Promise(setImmediate)
    }
    writer.kill('SIGKILL')
    await once(writer, 'exit')
    const read = readChecked(path)
    assert.deepEqual([read.source, read.setAside], ['file', []])
    assert.ok((read.value as { n: number }).n >= 0 && last >= -1)
  }
})

test('a file that may not be read is set aside; running out of descriptors is not taken for damage', () => {
  writeChecked(path, 'fine', PLAIN)
  const script = `
    const fs = await import('node:fs')
    const { readChecked } = await import('${import.meta.dirname}/atomic-file.ts')
    const open = []
    try { for (;;) open.push(fs.openSync('/dev/null')) } catch {}
    let name = 'read'
    try { readChecked('${path}') } catch (error) { name = error.name }
    fs.closeSync(open.pop())
    console.log(name)`
  const limited = `ulimit -n 60; exec "${process.execPath}" --input-type=module -e "$1"`
  assert.equal(execFileSync('sh', ['-c', limited, 'sh', script], { encoding: 'utf8' }).trim(), 'HostShortage')
  assert.equal(readChecked(path).value, 'fine')
  chmodSync(path, 0)
  if (process.getuid?.() !== 0) assert.equal(readChecked(path).setAside.length, 1)
})

test('a regular file is read whole, another kind is an error, none is null', () => {
  writeFileSync(path, 'abc')
  assert.equal(readRegularFile(path)?.toString(), 'abc')
  assert.equal(readRegularFile(join(dir, 'none')), null)
  assert.throws(() => readRegularFile(dir), /not a regular file|EISDIR/)
})
