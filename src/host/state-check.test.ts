import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { MarkError } from '../core/errors.ts'
import { writeChecked } from './atomic-file.ts'
import { encodeRecord, type JournalMark } from './journal-record.ts'
import { checkState } from './state-check.ts'
import { stateDirAt } from './state-dir.ts'

const root = mkdtempSync(join(tmpdir(), 'mark-check-'))
after(() => rmSync(root, { recursive: true, force: true }))
let state = stateDirAt(root, root)
let count = 0

const mark = (journal: number): Buffer =>
  encodeRecord({ journal, journal_id: 'x', next_seq: 1, boot_id: 'b' } as unknown as JournalMark)

beforeEach(() => {
  state = stateDirAt(join(root, String(count++)), root)
  mkdirSync(state.runs, { recursive: true })
  for (const path of [state.plan, state.children])
    writeChecked(path, { version: 1 }, { mode: 0o600, fsync: false })
  writeFileSync(state.journal, Buffer.concat([mark(1), Buffer.from('torn')]))
  writeFileSync(join(state.runs, 'R1.json'), '{"version":1}  ')
  writeFileSync(join(state.runs, 'R2.json'), '{"versi')
})

function refusedFor(): string | null {
  const before = contents()
  try {
    checkState(state)
    return null
  } catch (error) {
    return error instanceof MarkError ? `${error.code} ${error.message}` : String(error)
  } finally {
    assert.deepEqual(contents(), before, 'it changes nothing')
  }
}

function contents(): string[] {
  const names = readdirSync(state.dir, { recursive: true, withFileTypes: true })
  return names
    .filter(entry => entry.isFile())
    .map(entry => `${entry.name} ${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .sort()
}

test('what this version wrote, and what a crash tore, is gone on from', () => {
  assert.equal(refusedFor(), null)
  for (const path of [state.plan, state.children, state.journal]) rmSync(path)
  assert.equal(refusedFor(), null)
})

test('what a later version wrote is named, wherever it stands', () => {
  const later: readonly [string, () => void][] = [
    [state.children, () => writeChecked(state.children, { version: 2 }, { mode: 0o600, fsync: false })],
    [state.plan, () => writeFileSync(state.plan, `mark2 ${'0'.repeat(64)} 2\n{}`)],
    [join(state.runs, 'R3.json'), () => writeFileSync(join(state.runs, 'R3.json'), '{"version":2}')],
    [state.journal, () => writeFileSync(state.journal, Buffer.concat([mark(1), mark(2)]))],
  ]
  for (const [path, write] of later.toReversed()) {
    write()
    assert.match(refusedFor() ?? '', /^MARK_STATE_NEWER /)
    assert.ok(refusedFor()?.includes(path), `${refusedFor()}`)
    rmSync(path)
  }
})

test('a damaged plan without a backup is not gone on from: everything would be a stranger', () => {
  writeFileSync(state.plan, 'mark1 torn')
  assert.match(refusedFor() ?? '', /^MARK_STATE_UNREADABLE .*plan\.json/)
  writeChecked(`${state.plan}.bak`, { version: 1 }, { mode: 0o600, fsync: false })
  assert.equal(refusedFor(), null)
})
