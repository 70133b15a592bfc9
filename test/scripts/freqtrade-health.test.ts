/** What `presets/freqtrade-health.py` says of a log, asked as MARK asks it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const SCRIPT = join(import.meta.dirname, '..', '..', 'presets', 'freqtrade-health.py')
const dir = mkdtempSync(join(tmpdir(), 'mark-freqtrade-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const stamp = (ageSeconds: number): string =>
  new Date(Date.now() - ageSeconds * 1000).toISOString().slice(0, 19).replace('T', ' ')

function asked(lines: readonly string[], ...words: readonly string[]): { ok: boolean; why: string } {
  writeFileSync(join(dir, 'bot.log'), `${lines.join('\n')}\n`)
  const env = { PATH: process.env.PATH, TZ: 'UTC', MARK_LOG_DIR: dir, MARK_MODULE: 'bot' }
  const { status, stdout } = spawnSync('python3', [SCRIPT, ...words], { env, encoding: 'utf8' })
  return { ok: status === 0, why: stdout.trim() }
}

const beat = (state: string, age = 0): string =>
  `${stamp(age)},123 - freqtrade.worker - INFO - Bot heartbeat. PID=7, version='2026.9', state='${state}'`
const changed = (state: string): string =>
  `${stamp(0)},123 - freqtrade.worker - INFO - Changing state from RUNNING to: ${state}`
const started = `${stamp(0)},123 - freqtrade.worker - INFO - Starting worker 2026.9`

test('the last state that was logged counts, and a new start forgets it', () => {
  assert.deepEqual(asked([beat('RUNNING'), 'other']), { ok: true, why: "state='RUNNING'" })
  assert.match(asked([beat('RUNNING'), changed('STOPPED'), 'other']).why, /state='STOPPED' while the process/)
  assert.equal(asked([beat('STOPPED'), started]).ok, true)
  assert.equal(asked([beat('STOPPED'), changed('RUNNING')]).ok, true)
  assert.deepEqual(asked(['nothing yet']), { ok: true, why: 'no state logged yet' })
})

test('a log heartbeat that is too old is a no, however much else is logged', () => {
  assert.equal(asked([beat('RUNNING', 100), 'GET /ping'], '--max-age=300').ok, true)
  assert.match(
    asked([beat('RUNNING', 1000), 'GET /ping'], '--max-age=300').why,
    /no heartbeat in its log for 10\d\d s/,
  )
  assert.equal(asked([beat('RUNNING', 1000)], '--max-age=0').ok, true)
})

test('a REST server that does not answer is a no, with the reason', () => {
  assert.match(
    asked([beat('RUNNING')], '--ping=http://127.0.0.1:9/api/v1/ping').why,
    /^ping failed: .*refused/,
  )
})
