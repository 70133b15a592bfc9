/**
 * F9: the pid of a run that ended belongs to a stranger now. The keeper adopts it not, and neither a stop, a
 * kill nor a sweep of that run reaches it.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { whyNoProcessOne } from '../system/container-process.ts'
import { repetitions } from './fault-fleet.ts'

const REUSES = repetitions(100, 1000)
const why = whyNoProcessOne()

test('F9: strangers under a used pid are neither adopted nor signalled', {
  skip: why === null ? false : `SKIPPED: ${why}`,
}, t => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-f09-'))
  try {
    const script = join(import.meta.dirname, 'pid-reuse.ts')
    const namespaces = ['--fork', '--pid', '--mount-proc', '--kill-child']
    const init = ['sh', '-c', '"$@"; exit $?', 'sh']
    const argv = [...namespaces, ...init, process.execPath, script, dir, String(REUSES)]
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
    const said = execFileSync('unshare', argv, {
      encoding: 'utf8',
      timeout: 280_000,
      killSignal: 'SIGKILL',
      env,
    })
    t.diagnostic(said.trim())
    const { reuses, adopted, signals, alive, missed } = JSON.parse(said)
    assert.deepEqual([adopted, signals], [0, ''])
    assert.equal(alive, reuses, 'every stranger lives')
    assert.equal(reuses, REUSES, `${missed} pids were not to be had`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
