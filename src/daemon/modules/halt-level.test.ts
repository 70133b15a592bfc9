import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { KillView } from '../../core/view.ts'
import { haltOfFiles, haltOfKills, stricter } from './halt-level.ts'

const kill = (level: KillView['level'], scope: string): KillView => ({
  id: 'K-1',
  level,
  scope,
  reason: null,
  by: 'ann',
  at: '',
  complete: false,
})

test('of several kills the strictest that covers the module counts', () => {
  const kills = [kill('pause', 'all'), kill('flatten', 'module:vida'), kill('halt', 'module:roko')]
  assert.equal(haltOfKills(kills, 'vida', null)?.level, 'flatten')
  assert.equal(haltOfKills(kills, 'roko', null)?.level, 'halt')
  assert.deepEqual(haltOfKills(kills, 'luka', null), { level: 'pause', reason: 'kill K-1 of all by ann' })
  assert.equal(haltOfKills([], 'luka', null), null)
  assert.equal(stricter(null, null), null)
})

test('files: absent is free, a word is that level, anything else is halt, and KILL is at least halt', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-halt-'))
  const state = { haltDir: join(dir, 'halt'), killFile: join(dir, 'KILL') }
  mkdirSync(state.haltDir)
  const says = (text: string) => {
    writeFileSync(join(state.haltDir, 'vida'), text)
    return haltOfFiles(state, 'vida')?.level
  }
  try {
    assert.equal(haltOfFiles(state, 'vida'), null)
    assert.deepEqual(['pause\n', 'halt', 'flatten', '', 'nonsense'].map(says), [
      'pause',
      'halt',
      'flatten',
      'halt',
      'halt',
    ])
    mkdirSync(join(state.haltDir, 'roko'))
    assert.equal(haltOfFiles(state, 'roko')?.level, 'halt', 'what cannot be read')
    writeFileSync(state.killFile, '')
    assert.equal(haltOfFiles(state, 'luka')?.level, 'halt')
    assert.equal(says('pause'), 'halt')
    assert.equal(says('flatten'), 'flatten')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
