import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeChecked } from '../host/atomic-file.ts'
import { makeStateDir } from '../host/make-state-dir.ts'
import { bootId } from '../host/proc.ts'
import { stateDirAt } from '../host/state-dir.ts'
import { everyLiveRun, liveRuns } from './disk.ts'

const INTENT = {
  id: '01HZZZZZZZZZZZZZZZZZZZZZZZ',
  pid: null,
  startTime: null,
  started: { monoMs: 1, wallMs: 1 },
  startReason: 'boot',
  tag: null,
  exit: null,
}
const spec = (name: string) => ({ name, stop: { signal: 'SIGINT', graceMs: 5 } })

test('a run whose keeper died before it wrote the pid down is found by its environment', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'disk-'))
  const state = stateDirAt(dir, join(dir, 'sockets'))
  const env = { MARK_RUN_ID: INTENT.id }
  const child = spawn('sleep', ['1000'], { env: { ...process.env, ...env }, detached: true })
  try {
    await once(child, 'spawn')
    makeStateDir(state)
    const gone = { ...INTENT, id: '01HYYYYYYYYYYYYYYYYYYYYYYY' }
    const children = { luka: { run: INTENT }, roko: { run: gone }, '@daemon': { run: null } }
    const document = { version: 1, boot_id: bootId(), children, extras: [spec('roko')] }
    const options = { mode: 0o600, fsync: false, keepBackup: false }
    writeChecked(state.children, document, options)
    writeChecked(state.plan, { modules: [spec('luka')] }, options)
    const [found, ...more] = everyLiveRun(state)
    assert.deepEqual(more, [])
    assert.deepEqual(
      [found?.module, found?.pid, found?.stop],
      ['luka', child.pid, { signal: 'SIGINT', grace_ms: 5 }],
    )
    writeFileSync(state.children, 'torn')
    assert.deepEqual(liveRuns(state), [])
  } finally {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true })
  }
})
