import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { haltLevelOf } from './halt-file.ts'

let root = ''
let file = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mark-halt-'))
  mkdirSync(join(root, 'halt'))
  file = join(root, 'halt', 'teea')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('no file is no halt; a file says its level', () => {
  assert.equal(haltLevelOf(file), null)
  for (const level of ['pause', 'halt', 'flatten']) {
    writeFileSync(file, `${level}\n`)
    assert.equal(haltLevelOf(file), level)
  }
})

test('what is there and cannot be read means halt', () => {
  for (const text of ['', 'stop', 'PAUSE', 'x'.repeat(1000)]) {
    writeFileSync(file, text)
    assert.equal(haltLevelOf(file), 'halt', text)
  }
  rmSync(file)
  mkdirSync(file)
  assert.equal(haltLevelOf(file), 'halt')
  rmSync(file, { recursive: true })
  symlinkSync('nowhere', file)
  assert.equal(haltLevelOf(file), 'halt')
  rmSync(file)
  execFileSync('mkfifo', [file])
  assert.equal(haltLevelOf(file), 'halt')
  assert.equal(haltLevelOf(join(file, 'below')), 'halt')
})

test('KILL means halt, and flatten is stricter', () => {
  writeFileSync(join(root, 'KILL'), '')
  assert.equal(haltLevelOf(file), 'halt')
  writeFileSync(file, 'pause')
  assert.equal(haltLevelOf(file), 'halt')
  writeFileSync(file, 'flatten')
  assert.equal(haltLevelOf(file), 'flatten')
})
