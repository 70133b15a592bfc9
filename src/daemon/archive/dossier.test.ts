import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactor } from '../../core/redact.ts'
import { makeDossier } from './dossier.ts'

const exit = (code: number | null, signal: string | null = null) => ({
  known: true,
  code,
  signal,
  oom: false,
})
const redact = redactor(['hunter2-secret'])
const traceback = (line: number, message: string) =>
  `Traceback (most recent call last):\n  File "/a.py", line ${line}, in go\n    x\nValueError: ${message}\n`

test('the dossier shows type, message, frame and the last lines of the run', () => {
  const dossier = makeDossier(exit(1), `starting\n${traceback(7, 'bad price')}`, redact)
  assert.equal(dossier.exceptionType, 'ValueError')
  assert.equal(dossier.message, 'bad price')
  assert.deepEqual(dossier.frame, { file: '/a.py', line: 7, function: 'go' })
  assert.deepEqual(dossier.lines.slice(0, 2), ['starting', 'Traceback (most recent call last):'])
  assert.equal(dossier.lines.length, 5)
})

test('equal crashes have equal fingerprints whatever their lines, values and history say', () => {
  const one = makeDossier(exit(1), `old noise\n${traceback(7, 'price 1')}`, redact)
  const two = makeDossier(exit(1), traceback(99, 'price 2'), redact)
  const other = makeDossier(exit(1), traceback(7, 'x').replace('ValueError', 'KeyError'), redact)
  assert.equal(one.fingerprint, two.fingerprint)
  assert.notEqual(one.fingerprint, other.fingerprint)
})

test('a traceback that was survived long ago is not what ended the run', () => {
  const later = Array.from({ length: 80 }, (_, i) => `heartbeat ${i}`).join('\n')
  const dossier = makeDossier(exit(3), `${traceback(1, 'handled')}${later}\n`, redact)
  assert.equal(dossier.exceptionType, null)
  assert.equal(dossier.lines.length, 50)
})

test('a kill from outside has one fingerprint whatever the module logged last', () => {
  const killed = (output: string) => makeDossier(exit(null, 'SIGKILL'), output, redact)
  assert.equal(killed('order 1 filled\n').fingerprint, killed(traceback(1, 'x')).fingerprint)
  assert.notEqual(killed('').fingerprint, makeDossier(exit(null, 'SIGSEGV'), '', redact).fingerprint)
  assert.notEqual(
    makeDossier(exit(3), 'a\n', redact).fingerprint,
    makeDossier(exit(4), 'a\n', redact).fingerprint,
  )
})

test('no secret reaches a dossier', () => {
  const dossier = makeDossier(
    exit(1),
    `key hunter2-secret\n${traceback(1, 'login hunter2-secret refused')}`,
    redact,
  )
  assert.ok(!JSON.stringify(dossier).includes('hunter2-secret'))
})

test('a megabyte-long line and bytes that are no text do no harm', () => {
  const dossier = makeDossier(exit(1), `${'x'.repeat(1_000_000)}\n\u0000\ufffd\u001b[31m`, redact)
  assert.ok(JSON.stringify(dossier).length < 10_000)
})
