import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { FileIdentity } from './map-identity.ts'

let dir = ''
let path = ''
let nowMs = 0
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mark-identity-'))
  path = join(dir, 'a.db')
  writeFileSync(path, '1')
  nowMs = 0
  mock.method(performance, 'now', () => nowMs)
})
afterEach(() => {
  mock.restoreAll()
  rmSync(dir, { recursive: true, force: true })
})

for (const [when, settleMs] of [
  ['at once', 0],
  ['after a long rest', 60_000],
] as const) {
  test(`a file that is removed, replaced or moved with its directory is told ${when}`, () => {
    const identity = new FileIdentity(dir, path)
    const rested = (): boolean => {
      // What comes next has another time, however coarse the clock of the file system is.
      utimesSync(dir, 1, 1)
      const before = identity.isSame()
      nowMs += settleMs
      return before && identity.isSame() && identity.isSame()
    }
    assert.equal(rested(), true)
    renameSync(path, join(dir, 'elsewhere'))
    assert.equal(identity.isSame(), false)
    writeFileSync(path, '2')
    nowMs += settleMs
    assert.equal(identity.isSame(), false)
    renameSync(join(dir, 'elsewhere'), path)
    assert.equal(rested(), true)
    writeFileSync(join(dir, 'other'), '')
    assert.equal(rested(), true)
    renameSync(dir, `${dir}.old`)
    assert.equal(identity.isSame(), false)
    renameSync(`${dir}.old`, dir)
    assert.equal(rested(), true)
  })
}

test('what only changes its content stays the same', () => {
  const identity = new FileIdentity(dir, path)
  for (let round = 0; round < 5; round++) {
    writeFileSync(path, `${round}`)
    nowMs += 2000
    assert.equal(identity.isSame(), true)
  }
})
