/**
 * The chaos harness with few kills and a fixed seed: MARK and the paper fleet, judged by what the modules
 * themselves saw.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { cleanEnv } from './fleet.ts'

const MAIN = join(import.meta.dirname, '..', 'chaos', 'main.ts')

test('40 kills over the paper fleet: nothing lost or doubled, every exit true', async () => {
  const child = spawn(process.execPath, [MAIN, '--kills', '40', '--seed', '7'], { env: cleanEnv() })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', text => {
      said += text
    })
  }
  const code = await new Promise(resolve => child.on('close', resolve))
  // What is wrong comes first: whoever shows a failure may cut it.
  const wrong = said.split('\n').filter(line => /^(?:FAIL|VOID|void|kept| {7})/.test(line))
  assert.equal(code, 0, [...wrong, '', said].join('\n'))
})
