import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MarkError } from '../core/errors.ts'
import { loadLibc } from './libc.ts'
import { readStat } from './proc.ts'
import { HostShortage } from './shortage.ts'

const libc = loadLibc()!
const dir = mkdtempSync(join(tmpdir(), 'libc-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const { tellsExits } = libc
const SCHED_BATCH = 3

function openFds(): number {
  return readdirSync('/proc/self/fd').length
}

/** Calls `take` for each datagram until it answers true. */
function listen(fd: number, take: (text: string) => boolean): Promise<void> {
  return new Promise(resolve => {
    const keepAlive = setInterval(() => {}, 1000)
    const watch = libc.watch(fd, () => {
      for (let data = libc.receive(fd); data !== null; data = libc.receive(fd)) {
        if (!take(data.toString())) continue
        watch.close()
        clearInterval(keepAlive)
        resolve()
      }
    })
  })
}

test('koffi can be loaded here', () => assert.ok(loadLibc()))

test('who takes turns pushes nobody aside, and neither does what it starts', () => {
  const libcModule = new URL('./libc.ts', import.meta.url).href
  const code = `const { loadLibc } = await import('${libcModule}')
    const { execFileSync } = await import('node:child_process')
    loadLibc().takeTurns()
    console.log(execFileSync('cat', ['/proc/self/stat'], { encoding: 'utf8' }).split(' ')[40])`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  assert.equal(said.trim(), String(SCHED_BATCH))
})

test('three hundred pidfds at once each fire once for their own process', async () => {
  const before = openFds()
  const children = Array.from({ length: 300 }, () =>
    spawn('sh', ['-c', 'read x'], { stdio: ['pipe', 'ignore', 'ignore'] }),
  )
  const fired = new Set<number>()
  let settle = (): void => {}
  const all = new Promise<void>(resolve => {
    settle = resolve
  })
  const held = children.map(child => {
    const pidfd = libc.pidfdOpen(child.pid!)!
    const watch = libc.watch(pidfd, () => {
      watch.close()
      assert.equal(fired.has(child.pid!), false)
      fired.add(child.pid!)
      if (fired.size === children.length) settle()
    })
    return pidfd
  })
  const exits = children.map(child => once(child, 'exit'))
  for (const child of children) child.stdin.end('\n')
  await Promise.all([...exits, all])
  for (const pidfd of held) libc.close(pidfd)
  assert.equal(fired.size, 300)
  const deadline = Date.now() + 5000
  while (openFds() > before && Date.now() < deadline) await new Promise(setImmediate)
  assert.equal(openFds(), before, 'no descriptor is left')
})

test('the exit of a process that is not our child is told once its parent reaped it', {
  skip: !tellsExits,
}, async () => {
  const script = `
import os, subprocess, sys
for line in sys.stdin:
    child = subprocess.Popen(['sh', '-c', 'read x; ' + line.strip()], stdin=subprocess.PIPE)
    os.write(1, b'%d' % child.pid)
    sys.stdin.readline()
    child.communicate(b'\\n')
    os.write(1, b'reaped')
`
  const parent = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ask = async (line: string): Promise<string> => {
    parent.stdin.write(`${line}\n`)
    return String((await once(parent.stdout, 'data'))[0]).trim()
  }
  try {
    const codes = [0, 1, 2, 7, 75, 77, 78, 126, 127, 128, 129, 137, 143, 254, 255]
    const signals = ['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGTERM', 'SIGUSR1', 'SIGSEGV'] as const
    const ways = [
      ...codes.map(code => ({ command: `exit ${code}`, code, signal: null })),
      ...signals.map(signal => ({
        command: `ulimit -c 0; kill -${constants.signals[signal]} $$`,
        code: null,
        signal,
      })),
    ]
    for (const { command, code, signal } of ways) {
      const pidfd = libc.pidfdOpen(Number(await ask(command)))!
      assert.equal(libc.pidfdExit(pidfd), null, 'it still lives')
      assert.equal(await ask('go'), 'reaped')
      const exit = libc.pidfdExit(pidfd)
      assert.deepEqual({ code: exit?.code, signal: exit?.signal }, { code, signal }, command)
      assert.equal(exit?.evidence, 'pidfd')
      assert.equal(libc.pidfdSignal(pidfd, 0, false), false, 'gone')
      libc.close(pidfd)
    }
  } finally {
    parent.kill('SIGKILL')
    await once(parent, 'exit')
  }
})

test('a pid without a process gives no pidfd, and running out of descriptors is a shortage', () => {
  assert.equal(libc.pidfdOpen(2 ** 22 + 1), null)
  const script = `
    const { loadLibc } = await import('${import.meta.dirname}/libc.ts')
    const libc = loadLibc()
    try { for (;;) libc.pidfdOpen(process.pid) } catch (error) { console.log(error.name, error.code) }`
  const limited = `ulimit -n 80; exec "${process.execPath}" --input-type=module -e "$1"`
  const said = execFileSync('sh', ['-c', limited, 'sh', script], { encoding: 'utf8' })
  assert.equal(said.trim(), `${HostShortage.name} EMFILE`)
})

test('a signal reaches the whole group of a leader, and the process alone where it leads none', async () => {
  const leader = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const sleeper = Number(String((await once(leader.stdout, 'data'))[0]))
  const sleeperFd = libc.pidfdOpen(sleeper)!
  const leaderFd = libc.pidfdOpen(leader.pid!)!
  const ended = once(leader, 'exit')
  assert.equal(libc.pidfdSignal(leaderFd, 15, true), true)
  await ended
  await new Promise<void>(resolve => {
    const keepAlive = setInterval(() => {}, 1000)
    const watch = libc.watch(sleeperFd, () => {
      watch.close()
      clearInterval(keepAlive)
      resolve()
    })
  })
  for (const fd of [sleeperFd, leaderFd]) libc.close(fd)

  const member = spawn('sleep', ['60'])
  const memberFd = libc.pidfdOpen(member.pid!)!
  const memberEnded = once(member, 'exit')
  assert.equal(libc.pidfdSignal(memberFd, 15, true), true)
  assert.deepEqual(await memberEnded, [null, 'SIGTERM'])
  assert.equal(libc.pidfdSignal(memberFd, 15, true), false)
  libc.close(memberFd)
})

test("a subreaper gets its orphans, and reaps them without touching libuv's children", () => {
  const script = `
    const { loadLibc } = await import('${import.meta.dirname}/libc.ts')
    const { childrenOfMainThread, readStat } = await import('${import.meta.dirname}/proc.ts')
    const { spawn } = await import('node:child_process')
    const { once } = await import('node:events')
    const libc = loadLibc()
    libc.setSubreaper()
    const child = spawn('sh', ['-c', '(sleep 0.05; exit 3) & exit 5'])
    const [code] = await once(child, 'exit')
    const orphan = childrenOfMainThread(process.pid)[0]
    const early = libc.reap(orphan)
    while (readStat(orphan)?.state !== 'Z') await new Promise(setImmediate)
    console.log(JSON.stringify([code, early, libc.reap(orphan), readStat(orphan), libc.reap(orphan)]))`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const exit = { known: true, code: 3, signal: null, core: false, oom: null, evidence: 'wait' }
  assert.deepEqual(JSON.parse(said), [5, 'alive', exit, null, null])
})

test('descriptors that our caller left open do not reach the children of Node', () => {
  const script = `
    const { loadLibc } = await import('${import.meta.dirname}/libc.ts')
    const { execFileSync } = await import('node:child_process')
    const seen = () => execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).split('\\n').includes('45')
    const before = seen()
    loadLibc().setCloexecFrom(3)
    console.log(before, seen())`
  const command = `exec "${process.execPath}" --input-type=module -e "$1" 45</dev/null`
  const said = execFileSync('bash', ['-c', command, 'bash', script], { encoding: 'utf8' })
  assert.equal(said.trim(), 'true false')
})

test('systemd-notify is answered at once, though it waits for its barrier', async () => {
  const path = join(dir, 'barrier.sock')
  const fd = libc.bindDatagram(path, 0o600)
  const before = openFds()
  const heard: string[] = []
  const done = listen(fd, text => heard.push(text) > 0 && text.includes('BARRIER=1'))
  const started = performance.now()
  const notify = spawn('systemd-notify', ['--ready', '--status=up and away'], {
    env: { ...process.env, NOTIFY_SOCKET: path },
    stdio: 'inherit',
  })
  const [[code]] = await Promise.all([once(notify, 'exit'), done])
  assert.equal(code, 0)
  assert.ok(performance.now() - started < 3000, 'it gives up after 5 s when the descriptor stays open')
  assert.equal(heard.join('').includes('READY=1\nSTATUS=up and away'), true)
  assert.match(heard.join('\n'), /BARRIER=1/)
  assert.ok(openFds() <= before, 'nothing that was sent along stays open here')
  libc.close(fd)
})

test('plain socket code speaks to it, connected or not, and a flood is all there in order', async () => {
  const path = join(dir, 'python.sock')
  const fd = libc.bindDatagram(path, 0o600)
  const script = `
import os, socket
path = os.environ['NOTIFY_SOCKET']
unconnected = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
unconnected.sendto(b'READY=1', path)
connected = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
connected.connect(path)
connected.send(b'')
for n in range(5000):
    connected.send(b'STATUS=%d' % n)
with open('/dev/null') as null:
    socket.send_fds(connected, [b'FDSTORE=1'], [null.fileno()] * 3)
`
  const before = openFds()
  const heard: string[] = []
  const done = listen(fd, text => heard.push(text) === 5003)
  const python = spawn('python3', ['-c', script], {
    env: { ...process.env, NOTIFY_SOCKET: path },
    stdio: 'inherit',
  })
  const [[code]] = await Promise.all([once(python, 'exit'), done])
  assert.equal(code, 0)
  assert.deepEqual(heard.slice(0, 3), ['READY=1', '', 'STATUS=0'])
  assert.equal(heard.at(-2), 'STATUS=4999')
  assert.equal(heard.at(-1), 'FDSTORE=1')
  assert.ok(openFds() <= before)
  assert.equal(libc.receive(fd), null, 'nothing more, and no waiting')
  libc.close(fd)
})

test('a socket has exactly the mode that was asked for, and replaces what a dead keeper left', () => {
  const path = join(dir, 'mode.sock')
  libc.close(libc.bindDatagram(path, 0o600))
  const umask = process.umask()
  const fd = libc.bindDatagram(path, 0o660)
  assert.equal(statSync(path).mode & 0o777, 0o660)
  assert.equal(process.umask(), umask)
  libc.close(fd)
})

test('a path that Linux cannot bind is refused with a hint, one of 107 bytes is not', () => {
  const exact = join(dir, 'x'.repeat(107 - dir.length - 1))
  libc.close(libc.bindDatagram(exact, 0o600))
  const wrong = (error: unknown): boolean => error instanceof MarkError && error.code === 'MARK_UNSUPPORTED'
  assert.throws(() => libc.bindDatagram(`${exact}x`, 0o600), wrong)
})

test('a directory that is missing is an error with its cause, and leaks nothing', () => {
  const before = openFds()
  assert.throws(() => libc.bindDatagram(join(dir, 'no', 'such.sock'), 0o600), /ENOENT/)
  assert.equal(openFds(), before)
})

test('a lock has one holder, until that holder lets go', () => {
  const path = join(dir, 'lock')
  writeFileSync(path, '')
  const first = openSync(path, 'r')
  const second = openSync(path, 'r')
  assert.equal(libc.tryLock(first), true)
  assert.equal(libc.tryLock(second), false)
  libc.close(first)
  assert.equal(libc.tryLock(second), true)
  libc.close(second)
})

test('ending a watch leaves the descriptor open', () => {
  const fd = libc.bindDatagram(join(dir, 'watch.sock'), 0o600)
  const watch = libc.watch(fd, () => assert.fail('nothing was sent'))
  watch.close()
  watch.close()
  assert.match(readlinkSync(`/proc/self/fd/${fd}`), /^socket:/)
  libc.close(fd)
  assert.ok(readStat(process.pid))
})

async function ended(pid: number): Promise<unknown> {
  for (;;) {
    const exit = libc.reap(pid)
    if (exit !== 'alive') return exit
    await new Promise(setImmediate)
  }
}

test('a spawned program has its own session, its directory, one log, and nothing else of ours', async () => {
  const file = join(dir, 'spawn.log')
  const logFd = openSync(file, 'a')
  const open = openSync('/dev/null', 'r')
  process.on('SIGPIPE', () => {})
  libc.setCloexecFrom(3)
  const order = {
    path: '/bin/sh',
    argv: ['sh', '-c', 'pwd; echo "$A"; ls /proc/$$/fd | tr "\\n" " "; grep SigIgn /proc/$$/status; exit 9'],
    environment: ['A=b c', 'PATH=/usr/bin:/bin'],
    cwd: dir,
    logFd,
    lockFd: null,
    tag: null,
  }
  const { pid } = libc.spawn(order) as { pid: number }
  assert.equal(readStat(pid)?.session, pid)
  assert.deepEqual(await ended(pid), {
    known: true,
    code: 9,
    signal: null,
    core: false,
    oom: null,
    evidence: 'wait',
  })
  const [cwd, variable, fds, ignored] = readFileSync(file, 'utf8').split('\n')
  assert.deepEqual([cwd, variable], [dir, 'b c'])
  assert.equal(`${fds} ${ignored}`.includes(` ${open} `), false, 'our descriptors stay ours')
  assert.match(`${fds}`, /^0 1 2 (3 )?SigIgn:\t0{16}$/)
})

test('a program that cannot be started says why at once', () => {
  const logFd = openSync('/dev/null', 'a')
  const text = join(dir, 'no-program')
  writeFileSync(text, 'neither ELF nor #!', { mode: 0o755 })
  const of = (path: string, cwd = dir): unknown =>
    libc.spawn({ path, argv: [path], environment: [], cwd, logFd, lockFd: null, tag: null })
  assert.deepEqual(of('/no/such/program'), { errno: 'ENOENT' })
  assert.deepEqual(of('/etc/passwd'), { errno: 'EACCES' })
  assert.deepEqual(of(text), { errno: 'ENOEXEC' })
  assert.deepEqual(of('/bin/true', '/no/such/dir'), { errno: 'ENOENT' })
})

test('a tag stays with all that a program starts, however it hides, and not with us', async () => {
  const file = join(dir, 'tag.log')
  const before = readFileSync('/proc/self/limits', 'utf8')
  const hide = 'setsid env -i /bin/sh -c "grep msgqueue /proc/self/limits"'
  const order = {
    path: '/bin/sh',
    argv: ['sh', '-c', hide],
    environment: ['PATH=/usr/bin:/bin'],
    cwd: dir,
    logFd: openSync(file, 'a'),
    lockFd: null,
    tag: 4711,
  }
  const { pid } = libc.spawn(order) as { pid: number }
  await ended(pid)
  assert.match(readFileSync(file, 'utf8'), /^Max msgqueue size +4711 /)
  assert.equal(readFileSync('/proc/self/limits', 'utf8'), before)
})

test('room ahead, a cut and a hole are made, or the file system says that it cannot', async () => {
  const path = join(dir, 'cut')
  const bytes = Buffer.alloc(64 * 1024, 'a').fill('b', 32 * 1024)
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r+')
  assert.equal(libc.allocateAhead(fd, bytes.length, 1024 * 1024), 'done')
  assert.equal(statSync(path).size, bytes.length)
  assert.equal(await libc.punchHole(fd, 0, 4096), 'done')
  assert.equal(readFileSync(path)[0], 0)
  const cut = await libc.collapseFront(fd, 32 * 1024)
  if (cut === 'done') assert.deepEqual(readFileSync(path), bytes.subarray(32 * 1024))
  else assert.equal(cut, 'unsupported')
  await assert.rejects(libc.collapseFront(9999, 4096), MarkError)
})
