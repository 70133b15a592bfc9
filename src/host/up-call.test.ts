import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { bootId, readStat } from './proc.ts'
import { stateDirAt } from './state-dir.ts'
import { hasUpCall, leaveUpCall } from './up-call.ts'

test('the word of a command counts while that command lives in this boot, and until it is taken back', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-call-'))
  const state = stateDirAt(dir, dir)
  const said = (call: unknown): boolean => {
    writeFileSync(join(dir, 'up.call'), typeof call === 'string' ? call : JSON.stringify(call))
    return hasUpCall(state)
  }
  try {
    assert.equal(hasUpCall(state), false)
    const takeBack = leaveUpCall(state)
    assert.equal(hasUpCall(state), true)
    takeBack()
    assert.equal(hasUpCall(state), false)
    const me = { pid: process.pid, start_time: readStat(process.pid)?.startTime as number, boot_id: bootId() }
    assert.equal(said(me), true)
    assert.equal(said({ ...me, start_time: me.start_time - 1 }), false)
    assert.equal(said({ ...me, boot_id: 'another' }), false)
    for (const damaged of ['', '{', 'null', '[]', '7']) assert.equal(said(damaged), false)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
