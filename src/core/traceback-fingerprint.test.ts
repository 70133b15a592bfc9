import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findTracebacks } from './traceback.ts'
import { fingerprintText, lineTemplate } from './traceback-fingerprint.ts'

function fingerprint(text: string): string {
  const one = findTracebacks(text.split('\n')).at(-1)
  assert.ok(one, text)
  return fingerprintText(one)
}

const python = (line: number, price: string) =>
  [
    'Traceback (most recent call last):',
    `  File "/app/a.py", line ${line}, in <module>`,
    '    main()',
    `  File "/app/a.py", line ${line + 2}, in main`,
    `ValueError: bad price ${price} at 0x7f${line}`,
  ].join('\n')

test('crashes at moved lines have one fingerprint, another function has another', () => {
  assert.equal(fingerprint(python(3, '1.5')), fingerprint(python(90, '-7')))
  assert.notEqual(fingerprint(python(3, '1')), fingerprint(python(3, '1').replaceAll('in main', 'in other')))
})

test('goroutine numbers, addresses, offsets and other goroutines change nothing', () => {
  const go = (number: number, arg: string, line: number, others: string) =>
    `panic: order ${arg} rejected\n\ngoroutine ${number} [running]:\nmain.place({${arg}, 0x7})\n` +
    `\t/srv/bot/main.go:${line} +0x${number}\ncreated by main.main in goroutine ${line}\n` +
    `\t/srv/bot/main.go:9 +0x2\n${others}`
  const one = fingerprint(go(20, '0x75645a', 19, ''))
  const more = '\ngoroutine 1 [chan receive]:\nmain.main()\n\t/srv/bot/main.go:3 +0x1\n'
  assert.equal(fingerprint(go(7, '0xc00012', 33, more)), one)
  assert.notEqual(fingerprint(go(20, '0x75645a', 19, '').replace('main.place', 'main.cancel')), one)
})

test('thread names, symbol hashes and addresses of a Rust panic change nothing', () => {
  const rust = (thread: string, hash: string) =>
    `thread '${thread}' (7) panicked at src/feed.rs:7:9:\nno feed ${thread}\nstack backtrace:\n` +
    `   0:     0x55${hash.slice(0, 6)} - core::panicking::panic_fmt::h${hash}\n` +
    `                               at /rustc/${hash}${hash}/library/core/src/panicking.rs:67:14\n` +
    `   1:     0x56${hash.slice(0, 6)} - bot::feed::check::h${hash}\n` +
    '                               at ./src/feed.rs:7:9\n'
  assert.equal(
    fingerprint(rust('main', '0123456789abcdef')),
    fingerprint(rust('worker-3', 'fedcba9876543210')),
  )
})

test('without a backtrace the kind of message tells two Rust panics of one file apart', () => {
  const rust = (message: string) => `thread 'main' panicked at src/feed.rs:7:9:\n${message}\n`
  const one = fingerprint(rust('index out of bounds: the len is 3 but the index is 7'))
  assert.equal(fingerprint(rust('index out of bounds: the len is 8 but the index is 12')), one)
  assert.notEqual(fingerprint(rust('called `Option::unwrap()` on a `None` value')), one)
  assert.equal(fingerprint(rust('no book of BTCUSDT')), fingerprint(rust('no book of ETHUSDT')))
})

test('thread names, lambdas, proxies and accessors of the JVM change nothing', () => {
  const java = (n: number, hex: string) =>
    `Exception in thread "pool-${n}-thread-${n}" desk.Rejected: order ${n}\n` +
    `\tat desk.Book.lambda$place$${n}(Book.java:${n})\n` +
    `\tat desk.Book$$Lambda$${n}/0x0000${hex}.run(Unknown Source)\n` +
    `\tat jdk.internal.reflect.GeneratedMethodAccessor${n}.invoke(Unknown Source)\n` +
    `\tat desk.Book$$EnhancerBySpringCGLIB$$${hex}.place(<generated>)\n` +
    `\tat jdk.proxy2/jdk.proxy2.$Proxy${n}.run(Unknown Source)\n` +
    `Caused by: java.io.IOException: pipe ${n}\n\t... ${n} more\n`
  const one = fingerprint(java(3, '1a2b3c4d'))
  assert.equal(fingerprint(java(41, '9f8e7d6c')), one)
  assert.notEqual(fingerprint(java(3, '1a2b3c4d').replace('java.io.IOException', 'java.lang.X')), one)
})

test('a recursion that ran out of stack elsewhere in its cycle is the same crash', () => {
  const java = (first: string, second: string) =>
    'Exception in thread "main" java.lang.StackOverflowError\n' +
    `\tat A.${first}(A.java:1)\n\tat A.${second}(A.java:2)\n`.repeat(600)
  assert.equal(fingerprint(java('even', 'odd')), fingerprint(java('odd', 'even')))
})

test('releases and temporary names in a path change nothing', () => {
  const at = (path: string) => fingerprint(python(3, '1').replaceAll('/app', path))
  assert.equal(at('/srv/bot/releases/20261120-0900'), at('/srv/bot/releases/20261122-1015'))
  assert.notEqual(at('/srv/alpha'), at('/srv/beta'))
})

test('a template drops times, numbers and addresses', () => {
  const line = (n: number) =>
    `2026-01-0${n}T10:00:0${n}Z order ${n}00 at 0xdead${n}beef failed after ${n}.5 s`
  assert.equal(lineTemplate(line(1)), lineTemplate(line(7)))
  assert.match(lineTemplate(line(1)), /^order <\*> at <\*> failed/)
})
