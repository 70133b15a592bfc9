import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { KeptFile } from './kept-file.ts'
import { fdCount } from './proc.ts'

test('a file of a process is read anew each time, and is gone for ever with the process', async () => {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' })
  const file = new KeptFile(`/proc/${child.pid}/stat`)
  const bytes = Buffer.alloc(1024)
  try {
    for (let i = 0; i < 3; i++) {
      const length = file.read(bytes)
      assert.match(bytes.toString('latin1', 0, length), new RegExp(`^${child.pid} \\(sleep\\) `))
    }
  } finally {
    child.kill('SIGKILL')
  }
  await once(child, 'exit')
  assert.equal(file.read(bytes), -1)
  assert.equal(file.read(bytes), -1)
})

test('descriptors are given back', () => {
  const before = readdirSync('/proc/self/fd').length
  const files = Array.from({ length: 50 }, () => new KeptFile('/proc/self/stat'))
  for (const file of files) assert.ok(file.read(Buffer.alloc(1024)) > 0)
  assert.equal(fdCount(process.pid), before - 1 + 50)
  for (const file of files) file.close()
  assert.equal(readdirSync('/proc/self/fd').length, before)
  assert.equal(new KeptFile('/proc/0/stat').read(Buffer.alloc(10)), -1)
})
