import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
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
import {
  completeLatch,
  haltFile,
  type KillRecord,
  prepareSpare,
  readLatches,
  removeLatch,
  writeLatch,
} from './latch.ts'
import { type StateDir, stateDirAt } from './state-dir.ts'

let state: StateDir
let dir: string

beforeEach(() => {
  state = stateDirAt(mkdtempSync(join(tmpdir(), 'latch-')), '/run/none')
  dir = state.latchDir
})
afterEach(() => rmSync(state.dir, { recursive: true, force: true }))

function kill(id: string, change: Partial<KillRecord> = {}): KillRecord {
  const at = '2026-11-22T15:43:07.123Z'
  return {
    id,
    level: 'halt',
    scope: 'module:vida',
    reason: 'test',
    by: 'alice',
    at,
    complete: false,
    note: null,
    ...change,
  }
}

function entries(): string[] {
  return readdirSync(dir).filter(name => !name.startsWith('.'))
}

test('no kill was ever tripped: nothing, and nothing is made', () => {
  assert.deepEqual(readLatches(dir), { kills: [], unreadable: [] })
  assert.equal(existsSync(dir), false)
})

test('a kill comes back as it was, with a spare or without, whatever its reason says', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), fc.boolean(), (reason, spare) => {
      rmSync(dir, { recursive: true, force: true })
      if (spare) assert.equal(prepareSpare(state), true)
      writeLatch(state, kill('K-1', { reason }))
      assert.deepEqual(readLatches(dir), {
        kills: [kill('K-1', { reason: JSON.parse(JSON.stringify(reason)) })],
        unreadable: [],
      })
    }),
    { numRuns: 40 },
  )
})

test('kills stand in the order they were tripped, for their owner only', () => {
  prepareSpare(state)
  for (const id of ['K-01B', 'K-01A', 'K-01C']) writeLatch(state, kill(id))
  assert.deepEqual(
    readLatches(dir).kills.map(({ id }) => id),
    ['K-01A', 'K-01B', 'K-01C'],
  )
  assert.equal(statSync(dir).mode & 0o777, 0o700)
  for (const name of entries()) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600)
})

test("what cannot be understood halts all: torn, empty, another file's, a directory, a link", () => {
  writeLatch(state, kill('K-1'))
  const whole = readFileSync(join(dir, 'K-1.json'), 'utf8').trimEnd()
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(join(dir, 'K-1.json'), whole.slice(0, length))
    const { kills, unreadable } = readLatches(dir)
    assert.deepEqual(
      [kills[0]?.level, kills[0]?.scope, unreadable.length],
      ['halt', 'all', 1],
      `cut to ${length}`,
    )
  }
  writeFileSync(join(dir, 'K-1.json'), whole)
  writeFileSync(join(dir, 'K-2.json'), whole)
  mkdirSync(join(dir, 'K-3.json'))
  symlinkSync(join(dir, 'K-1.json'), join(dir, 'K-4.json'))
  writeFileSync(join(dir, 'touched'), '')
  const { kills, unreadable } = readLatches(dir)
  assert.deepEqual(
    kills.map(({ id, scope }) => [id, scope]),
    [
      ['K-1', 'module:vida'],
      ['K-2', 'all'],
      ['K-3', 'all'],
      ['K-4', 'all'],
      ['touched', 'all'],
    ],
  )
  assert.equal(unreadable.length, 4)
  for (const { id } of kills) removeLatch(state, id)
  assert.deepEqual(readLatches(dir).kills, [])
})

test('a file in the place of the directory halts all', () => {
  writeFileSync(dir, '')
  assert.deepEqual(
    readLatches(dir).kills.map(({ level, scope }) => [level, scope]),
    [['halt', 'all']],
  )
})

test('a directory that may not be read halts all', context => {
  if (process.getuid?.() !== 0) return context.skip('needs root')
  mkdirSync(dir)
  chmodSync(state.dir, 0o755)
  chmodSync(dir, 0)
  const script = `
    const { readLatches } = await import('${import.meta.dirname}/latch.ts')
    console.log(readLatches('${dir}').kills[0].scope)`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    uid: 65534,
    encoding: 'utf8',
  })
  assert.equal(said.trim(), 'all')
})

test('a kill is completed, keeps what it said, and is released by its name alone', () => {
  writeLatch(state, kill('K-1'))
  writeLatch(state, kill('K-2'))
  completeLatch(state, 'K-1', 'stopped, orders unverified')
  assert.deepEqual(
    readLatches(dir).kills[0],
    kill('K-1', { complete: true, note: 'stopped, orders unverified' }),
  )
  removeLatch(state, 'K-1')
  assert.deepEqual(readLatches(dir).kills, [kill('K-2')])
})

test('a kill that is not there, or a name that leads elsewhere, is refused', () => {
  writeLatch(state, kill('K-1'))
  writeFileSync(state.plan, 'precious')
  for (const id of ['K-9', '../plan', '../plan.json', '', '.spare-1', 'a/b']) {
    const wrong = (error: unknown): boolean =>
      error instanceof MarkError && error.code === 'MARK_NO_SUCH_KILL'
    assert.throws(() => removeLatch(state, id), wrong, id)
    assert.throws(() => completeLatch(state, id, null), wrong, id)
  }
  assert.equal(readFileSync(state.plan, 'utf8'), 'precious')
})

test('a reason of any length fits the block; what is cut is text, never the scope', () => {
  prepareSpare(state)
  writeLatch(
    state,
    kill('K-1', { reason: '"\u0001€'.repeat(5000), note: 'n'.repeat(5000), by: 'b'.repeat(5000) }),
  )
  const [found] = readLatches(dir).kills
  assert.equal(found?.scope, 'module:vida')
  assert.equal(statSync(join(dir, 'K-1.json')).size, 4096)
  assert.ok((found?.reason ?? '').startsWith('"\u0001€'))
})

test('spares are used up, made again, and never taken for a kill', () => {
  assert.equal(prepareSpare(state), true)
  assert.deepEqual(readLatches(dir).kills, [])
  assert.equal(readdirSync(dir).length, 4)
  for (let n = 0; n < 6; n++) writeLatch(state, kill(`K-${n}`))
  assert.deepEqual(readdirSync(dir), entries())
  prepareSpare(state)
  assert.equal(readLatches(dir).kills.length, 6)
  assert.equal(readdirSync(dir).length, 10)
})

test('on a completely full disk a kill can be tripped, read, completed and released', context => {
  const script = `
    const { writeFileSync, appendFileSync } = await import('node:fs')
    const latch = await import('${import.meta.dirname}/latch.ts')
    const { stateDirAt } = await import('${import.meta.dirname}/state-dir.ts')
    const state = stateDirAt('${state.dir}', '/run/none')
    const record = ${JSON.stringify(kill('K-1'))}
    latch.prepareSpare(state)
    let full = false
    const ballast = '${state.dir}/ballast'
    try {
      for (;;) appendFileSync(ballast, Buffer.alloc(1000))
    } catch (error) {
      full = error.code === 'ENOSPC'
    }
    const out = { full, spare: latch.prepareSpare(state) }
    for (let n = 1; n <= 4; n++) latch.writeLatch(state, { ...record, id: 'K-' + n })
    out.four = latch.readLatches(state.latchDir).kills.map(({ scope }) => scope)
    latch.writeLatch(state, { ...record, id: 'K-5' })
    out.fifth = latch.readLatches(state.latchDir).kills.at(-1)
    latch.removeLatch(state, 'K-5')
    latch.removeLatch(state, 'K-4')
    latch.completeLatch(state, 'K-1', 'done')
    out.left = latch.readLatches(state.latchDir).kills.map(({ id }) => id)
    console.log(JSON.stringify(out))`
  let said: string
  try {
    const mounted = 'mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" --input-type=module -e "$3"'
    const argv = ['-m', 'sh', '-c', mounted, 'sh', state.dir, process.execPath, script]
    said = execFileSync('unshare', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return context.skip('may not mount here')
  }
  const { full, four, fifth, left } = JSON.parse(said)
  assert.equal(full, true)
  assert.deepEqual(four, Array(4).fill('module:vida'))
  assert.deepEqual(
    [fifth.level, fifth.scope],
    ['halt', 'all'],
    'without a spare it is empty, and so halts all',
  )
  assert.deepEqual(left, ['K-1', 'K-2', 'K-3'])
})

test('halt files say the level, may be read by any module, and go away', () => {
  const path = join(state.haltDir, 'vida')
  for (const level of ['pause', 'halt', 'flatten'] as const) {
    haltFile(state, 'vida', level)
    assert.equal(readFileSync(path, 'utf8'), `${level}\n`)
    assert.equal(statSync(path).mode & 0o777, 0o644)
  }
  haltFile(state, 'vida', null)
  haltFile(state, 'vida', null)
  assert.equal(existsSync(path), false)
  if (process.getuid?.() !== 0) return
  haltFile(state, 'vida', 'halt', { uid: 65534, gid: 65534 })
  assert.equal(statSync(path).uid, 65534)
})
