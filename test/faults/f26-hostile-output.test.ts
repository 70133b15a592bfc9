/**
 * F26, F28: output that is one endless line, or bytes that no terminal should get. The log keeps every byte,
 * what MARK shows is harmless text, and neither the daemon nor a command grows with it.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BIN, cleanEnv, until } from '../system/fleet.ts'
import { FaultFleet, repetitions } from './fault-fleet.ts'

const LINE_MB = Number(process.env.MARK_LINE_MB ?? repetitions(96, 1024))
/** What reading any log may cost beside what a process has anyway. */
const GROWTH_MB = 64
const COMMAND_MB = 320

/** `mark logs -f` into a file. */
function following(fleet: FaultFleet): { pid: number; tail: () => string } {
  const path = fleet.write('followed', '')
  const out = openSync(path, 'w')
  const child = spawn(BIN, ['logs', 'endless', '-f'], {
    cwd: fleet.dir,
    env: cleanEnv(),
    stdio: ['ignore', out, 'ignore'],
  })
  closeSync(out)
  const tail = (): string => {
    const bytes = Buffer.alloc(64)
    const fd = openSync(path, 'r')
    const read = readSync(fd, bytes, 0, 64, Math.max(0, fstatSync(fd).size - 64))
    closeSync(fd)
    return bytes.toString('latin1', 0, read)
  }
  return { pid: child.pid as number, tail }
}

/** Largest resident size so far. */
function peakMb(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

test(`F26: a line of ${LINE_MB} MB makes neither keeper, daemon nor \`mark logs\` grow`, async t => {
  const fleet = new FaultFleet(
    `defaults: { ready: { delay: 20ms }, restart: { policy: never } }
modules:
  endless:
    command: [sh, endless.sh]
    log: { max_size: 16M, keep: 2 }
  calm: { command: [sleep, "1000"] }
`,
    ['endless', 'calm'],
  )
  fleet.write(
    'endless.sh',
    `echo first; head -c ${LINE_MB}M /dev/zero | tr '\\0' x; echo; echo last
touch done; exec sleep 1000
`,
  )
  try {
    await fleet.expect(0, 'up', 'calm', '-d')
    const keeper = (await fleet.armed()).pid
    const daemon = (await until('the daemon lives', 10_000, () => fleet.look().daemon)).pid
    // What it needs for itself it has by the time it listens.
    await until('the daemon listens', 10_000, () => existsSync(join(fleet.stateDir, 'run', 'daemon.sock')))
    await fleet.expect(0, 'events')
    const before = { keeper: peakMb(keeper), daemon: peakMb(daemon) }
    await fleet.tell('start', 'endless')
    const follow = following(fleet)
    await until('it is written', 200_000, () => fleet.has('done'))
    const read = fleet.begin('logs', 'endless', '-n', '3')
    const peak = { read: 0, follow: 0 }
    const look = (): void => {
      peak.read = Math.max(peak.read, peakMb(read.child.pid as number))
      peak.follow = Math.max(peak.follow, peakMb(follow.pid))
    }
    const watch = setInterval(look, 10)
    const { code, stdout } = await read.ended
    await until('who follows has seen the end', 200_000, () => /last\n$/.test(follow.tail()))
    clearInterval(watch)
    process.kill(follow.pid, 'SIGKILL')
    assert.equal(code, 0)
    assert.match(stdout, /last\n$/)
    const grown = { keeper: peakMb(keeper) - before.keeper, daemon: peakMb(daemon) - before.daemon }
    t.diagnostic(
      [`keeper +${mb(grown.keeper)}, daemon +${mb(grown.daemon)}`, JSON.stringify(peak)].join(', logs '),
    )
    assert.ok(grown.keeper < GROWTH_MB, `keeper +${grown.keeper} MB`)
    assert.ok(grown.daemon < GROWTH_MB, `daemon +${grown.daemon} MB`)
    for (const size of Object.values(peak))
      assert.ok(size > 0 && size < COMMAND_MB, `mark logs ${JSON.stringify(peak)} MB`)
    fleet.pidOf('calm')
  } finally {
    fleet.end()
  }
})

const mb = (size: number): string => `${Math.round(size)} MB`

/** Each would do something to a terminal, a parser or a page. */
const HOSTILE: readonly Buffer[] = [
  Buffer.from('\x1b]0;owned\x07 \x1b]52;c;ZXZpbA==\x07 \x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\'),
  Buffer.from('\x1b[2J\x1b[H\x1b[31mred\x1b[6n \x9b31m \x85 \x90'),
  Buffer.from([0x88, 0xff, 0xfe, 0xc3, 0x28, 0xf0, 0x9f, 0x98]),
  Buffer.from('a\0b\rc\bd\x7f \u202eevil\u202c \u2066x\u2069 \u200f'),
  Buffer.from('<script>alert(1)</script> {"level":"error"} =cmd|x'),
  Buffer.from(`${'é'.repeat(40_000)}`),
  Buffer.from('2020-01-01 00:00:00 ERROR Traceback (most recent call last):'),
]
/** C0 but tab and newline, DEL, C1, and what turns a line around. */
const HARMFUL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/

test('F28: hostile bytes are kept as they are and shown as harmless text in every view', async () => {
  const fleet = new FaultFleet(
    `defaults: { ready: { delay: 20ms }, restart: { policy: never } }
modules:
  rude: { command: [sh, -c, "cat hostile; exit 3"], kind: task }
  says: { command: [/usr/bin/python3, says.py], ready: notify }
`,
    ['rude', 'says'],
  )
  const bytes = Buffer.concat(HOSTILE.flatMap(line => [line, Buffer.from('\n')]))
  fleet.write('hostile', '')
  writeFileSync(join(fleet.dir, 'hostile'), bytes)
  fleet.write(
    'says.py',
    `import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(os.environ['NOTIFY_SOCKET'])
s.send(b'READY=1\\nSTATUS=\\x1b]0;owned\\x07 \\xff \\xe2\\x80\\xae evil')
time.sleep(1000)
`,
  )
  try {
    await fleet.mark('up', '-d', '--timeout', '20s')
    await fleet.settled('rude', /failed/)
    assert.deepEqual(readFileSync(join(fleet.stateDir, 'logs', 'rude.log')), bytes, 'byte for byte')
    const views = [
      ['status'],
      ['describe', 'rude'],
      ['describe', 'says'],
      ['logs', 'rude', '-n', '50'],
      ['logs', '-n', '50'],
      ['events', '--module', 'rude'],
    ]
    for (const words of views) {
      const { stdout, stderr } = await fleet.mark(...words)
      const found = HARMFUL.exec(stdout + stderr)
      assert.equal(found, null, `mark ${words.join(' ')}: ${JSON.stringify(found?.[0])} at ${found?.index}`)
    }
    for (const words of [
      ['status', '--json'],
      ['describe', 'rude', '--json'],
      ['describe', 'says', '--json'],
    ]) {
      const { stdout } = await fleet.mark(...words)
      assert.doesNotThrow(() => JSON.parse(stdout), `mark ${words.join(' ')}: ${stdout.slice(0, 200)}`)
      const raw = /[\0-\x09\x0b-\x1f]/.exec(stdout)
      assert.equal(raw, null, `mark ${words.join(' ')}`)
    }
  } finally {
    fleet.end()
  }
})
