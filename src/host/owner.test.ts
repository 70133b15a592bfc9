import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { checkSafe } from './owner.ts'

const uid = process.getuid?.() ?? 0
let dir: string
let file: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'owner-'))
  mkdirSync(join(dir, 'project'), { mode: 0o755 })
  file = join(dir, 'project', 'mark.yaml')
  writeFileSync(file, 'name: x\n', { mode: 0o644 })
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('a file of our own below directories of our own is safe, under a sticky /tmp too', () => {
  assert.equal(checkSafe(file, { uid }), null)
})

test('a file that a shared group may write is named, one of the owner’s private group is not', {
  skip: uid === 0 ? false : 'only root can give a file to another group',
}, () => {
  chmodSync(file, 0o664)
  assert.equal(checkSafe(file, { uid }), null)
  chownSync(file, uid, 54_321)
  assert.match(checkSafe(file, { uid }) ?? '', /mark\.yaml can be written by group/)
})

test('a file that everybody may write is named', () => {
  chmodSync(file, 0o646)
  assert.match(checkSafe(file, { uid }) ?? '', /mark\.yaml can be written by everybody/)
})

test('a directory above it that everybody may write is named, whatever the file itself says', () => {
  chmodSync(join(dir, 'project'), 0o777)
  assert.match(checkSafe(file, { uid }) ?? '', /project can be written by everybody/)
})

test('a link is judged by where it leads', () => {
  const open = join(dir, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  writeFileSync(join(open, 'other.yaml'), '')
  symlinkSync(join(open, 'other.yaml'), join(dir, 'project', 'link.yaml'))
  assert.match(checkSafe(join(dir, 'project', 'link.yaml'), { uid }) ?? '', /open can be written/)
})

test('a file that is missing is a sentence, not a crash', () => {
  assert.match(checkSafe(join(dir, 'nothing'), { uid }) ?? '', /nothing cannot be looked at \(ENOENT\)/)
})

test('a file of another user is refused, one of root is not', { skip: uid !== 0 && 'needs root' }, () => {
  chownSync(file, 12345, 0)
  assert.match(checkSafe(file, { uid: 0 }) ?? '', /belongs to user 12345/)
  assert.match(checkSafe(file, { uid: 99 }) ?? '', /belongs to user 12345/)
  chownSync(file, 0, 0)
  assert.equal(checkSafe('/etc/passwd', { uid: 12345 }), null)
})
