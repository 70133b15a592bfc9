import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../host/clock.ts'
import { guardedPattern } from '../guarded-pattern.ts'
import { logSource } from './log-source.ts'

async function withLog(text: string, work: (file: string, logs: string) => Promise<void>): Promise<void> {
  const logs = mkdtempSync(join(tmpdir(), 'mark-log-'))
  writeFileSync(join(logs, 'vida.log'), text)
  try {
    await work(join(logs, 'vida.log'), logs)
  } finally {
    rmSync(logs, { recursive: true, force: true })
  }
}

const source = (logs: string, start: number | null) => {
  return logSource({ logs, clock: systemClock, startOf: async () => start, matcher: guardedPattern })
}

function wait(logs: string, start: number | null, pattern: string) {
  let stop = (): void => {}
  const found = new Promise<string>((resolve, reject) => {
    const run = { module: 'vida', runId: 'R', pattern }
    stop = source(logs, start).watchFor(run, resolve, why => reject(new Error(why))).close
  })
  return { found, stop: () => stop() }
}

test('only lines of this run count, those before the daemon looked too', async () => {
  await withLog('ready 1\nready 2\n', async (_file, logs) => {
    const { found } = wait(logs, 8, '^ready')
    assert.equal(await found, 'ready 2')
  })
})

test('an earlier run is never taken for this one when nobody knows where this one began', async () => {
  await withLog('ready 1\n', async (file, logs) => {
    const { found } = wait(logs, null, '^ready')
    await new Promise(resolve => setImmediate(resolve))
    appendFileSync(file, 'starting\nready 3\n')
    assert.equal(await found, 'ready 3')
  })
})

test('a pattern that would take for ever is given up, with the reason', async () => {
  await withLog(`${'a'.repeat(40)}!\n`, async (_file, logs) => {
    await assert.rejects(wait(logs, 0, '^(a+)+$').found, /too long/)
  })
})
