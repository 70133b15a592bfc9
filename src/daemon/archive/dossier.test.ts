import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactor } from '../../core/redact.ts'
import { makeDossier, OUTPUT_MAX_BYTES } from './dossier.ts'

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

test('a secret is masked before anything is cut, so that no half of it stays', () => {
  const secret = 'hunter2-secret'
  const line = `${'x'.repeat(2000 - 6)}${secret}`
  const dossier = makeDossier(exit(1), `${line}\n`, redact)
  assert.ok(!JSON.stringify(dossier).includes('hunter'), dossier.lines[0]?.slice(-20) ?? '')
})

test('a secret that the beginning of the output cuts in half goes with its line', () => {
  const output = `er2-secret is my key\n${'heartbeat\n'.repeat(OUTPUT_MAX_BYTES / 10)}`
  const dossier = makeDossier(exit(1), output.slice(0, OUTPUT_MAX_BYTES), redact)
  assert.ok(!JSON.stringify(dossier).includes('er2-secret'))
  const short = makeDossier(exit(1), 'first line\nlast line\n', redact)
  assert.deepEqual(short.lines, ['first line', 'last line'])
})

test('a private key of many lines never reaches the last lines', () => {
  const body = 'canaryQUJD0123456789\n'.repeat(20)
  const key = `-----BEGIN RSA PRIVATE KEY-----\n${body}-----END RSA PRIVATE KEY-----`
  const dossier = makeDossier(exit(1), `loaded\n${key}\n${traceback(1, 'x')}`, redact)
  assert.ok(!JSON.stringify(dossier).includes('canary'))
  assert.equal(dossier.exceptionType, 'ValueError')
})

test('a long report keeps both ends', () => {
  const goroutine = (n: number) => `goroutine ${n} [select]:\nmain.wait()\n\t/srv/bot/wait.go:${n} +0x1\n`
  const others = Array.from({ length: 900 }, (_, n) => goroutine(n + 2)).join('\n')
  const output = `panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/bot/main.go:3 +0x1\n\n${others}`
  const dossier = makeDossier(exit(2), output, redact)
  assert.deepEqual(dossier.frame, { file: '/srv/bot/main.go', line: 3, function: 'main.main' })
  const kept = dossier.traceback?.split('\n') ?? []
  assert.equal(kept[0], 'panic: boom')
  assert.match(kept.at(-1) ?? '', /wait\.go:901/)
  assert.ok(kept.length <= 201 && kept.some(line => /^… \d+ lines …$/.test(line)))
})

test('a panic in a destructor does not hide the one that it came from', () => {
  const output =
    "thread 'main' panicked at src/main.rs:20:33:\nfirst\nnote: run with `RUST_BACKTRACE=1`\n\n" +
    "thread 'main' panicked at library/core/src/panicking.rs:233:5:\npanic in a destructor during cleanup\n" +
    'thread caused non-unwinding panic. aborting.\n'
  assert.equal(makeDossier(exit(null, 'SIGABRT'), output, redact).message, 'first')
})

test('what the SDK said had ended it is the traceback where the log has none, and only there', () => {
  const crash = { error: { type: 'KeyError', message: 'fee' }, traceback: traceback(7, 'by socket') }
  const silent = makeDossier(exit(1), 'starting\n', redact, crash)
  assert.equal(silent.traceback, crash.traceback.trimEnd())
  assert.deepEqual([silent.exceptionType, silent.message], ['ValueError', 'by socket'])
  assert.deepEqual(silent.lines, ['starting'])
  assert.equal(silent.fingerprint, makeDossier(exit(1), crash.traceback, redact).fingerprint)
  const bare = makeDossier(exit(1), '', redact, { error: crash.error })
  assert.deepEqual([bare.exceptionType, bare.message, bare.traceback], ['KeyError', 'fee', null])
  assert.equal(makeDossier(exit(1), traceback(7, 'in the log'), redact, crash).message, 'in the log')
  assert.equal(makeDossier(exit(null, 'SIGKILL'), '', redact, crash).exceptionType, null)
})
