/** The listening end of a MARK_SOCKET against speakers of every kind. */
import assert from 'node:assert/strict'
import { lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Libc, loadLibc } from './libc.ts'
import {
  ACCEPTS_A_SECOND,
  CONNECTIONS_MAX,
  frames,
  listenModule,
  type ModuleConnection,
} from './module-socket.ts'

const libc = loadLibc()
const skip = libc ? false : 'there is no libc interface here'
const LINE = 1024

interface Bench {
  readonly path: string
  readonly connections: ModuleConnection[]
  turnedAway: number
  isOwn: boolean
  reach(): Promise<Socket>
  until(what: string, found: () => boolean): Promise<void>
}

async function serving(work: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'mark-ms-'))
  const sockets: Socket[] = []
  const bench: Bench = {
    path: join(dir, 'mark.sock'),
    connections: [],
    turnedAway: 0,
    isOwn: false,
    reach: () =>
      new Promise((resolve, reject) => {
        const socket = connect(bench.path, () => resolve(socket))
        socket.on('error', reject)
        sockets.push(socket)
      }),
    async until(what, found) {
      const deadline = performance.now() + 5000
      while (!found()) {
        if (performance.now() > deadline) assert.fail(`not within 5 s: ${what}`)
        await new Promise(resolve => setImmediate(resolve))
      }
    },
  }
  const server = await listenModule({
    path: bench.path,
    owner: null,
    lineMaxBytes: LINE,
    libc: libc as Libc,
    nowMs: () => performance.now(),
    isOwn: () => bench.isOwn,
    onConnection: connection => bench.connections.push(connection),
    onTurnedAway: () => {
      bench.turnedAway++
    },
  })
  try {
    await work(bench)
  } finally {
    server.close()
    for (const socket of sockets) socket.destroy()
    rmSync(dir, { recursive: true, force: true })
  }
}

test('who connects is known by the kernel, and only the owner can', { skip }, async () => {
  await serving(async bench => {
    const socket = await bench.reach()
    await bench.until('it is accepted', () => bench.connections.length === 1)
    const [connection] = bench.connections as [ModuleConnection]
    assert.deepEqual(connection.peer, { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() })
    assert.equal(lstatSync(bench.path).mode & 0o777, 0o600)
    const lines: string[] = []
    socket.write('{"a":1}\n\n{"b"')
    socket.write(':2}\n')
    connection.onLine(
      line => lines.push(line),
      () => assert.fail('too long'),
    )
    await bench.until('both lines are read', () => lines.length === 2)
    assert.deepEqual(lines, ['{"a":1}', '{"b":2}'])
  })
})

test('a line that is too long ends the reading, and what comes after it is not read', { skip }, async () => {
  await serving(async bench => {
    const socket = await bench.reach()
    await bench.until('it is accepted', () => bench.connections.length === 1)
    let tooLong = 0
    const lines: string[] = []
    bench.connections[0]?.onLine(
      line => lines.push(line),
      () => {
        tooLong++
        bench.connections[0]?.end()
      },
    )
    let closed = false
    socket.on('error', () => {})
    socket.on('close', () => {
      closed = true
    })
    socket.resume()
    socket.write(`ok\n${'x'.repeat(LINE)}\nlater\n`)
    await bench.until('it is closed', () => closed)
    assert.deepEqual([lines, tooLong], [['ok'], 1])
  })
})

test('more connections than allowed, at a time and a second, are closed at once', { skip }, async () => {
  await serving(async bench => {
    for (let n = 0; n < CONNECTIONS_MAX + 2; n++) await bench.reach()
    await bench.until('two are turned away', () => bench.turnedAway === 2)
    assert.equal(bench.connections.length, CONNECTIONS_MAX)
    bench.isOwn = true
    await bench.reach()
    await bench.until('strangers take no place of the module itself', () => {
      return bench.connections.length === CONNECTIONS_MAX + 1
    })
  })
  await serving(async bench => {
    for (let n = 0; n < ACCEPTS_A_SECOND + 5; n++) {
      const socket = await bench.reach()
      socket.destroy()
    }
    await bench.until('the last are turned away', () => bench.turnedAway > 0)
    assert.ok(bench.connections.length <= ACCEPTS_A_SECOND)
  })
})

test('a reader who does not read is dropped, and a flood waits in the kernel', { skip }, async () => {
  await serving(async bench => {
    const deaf = await bench.reach()
    deaf.pause()
    deaf.on('error', () => {})
    await bench.until('it is accepted', () => bench.connections.length === 1)
    let closed = false
    const connection = bench.connections[0] as ModuleConnection
    connection.onClose(() => {
      closed = true
    })
    for (let n = 0; n < 10_000; n++) connection.write(`${'y'.repeat(500)}\n`)
    await bench.until('it is dropped', () => closed)
  })
  await serving(async bench => {
    const flood = await bench.reach()
    await bench.until('it is accepted', () => bench.connections.length === 1)
    let bytes = 0
    const line = (text: string): void => {
      bytes += text.length + 1
    }
    const chunk = `${'z'.repeat(999)}\n`.repeat(100)
    for (let n = 0; n < 80; n++) flood.write(chunk)
    const began = performance.now()
    bench.connections[0]?.onLine(line, () => assert.fail('too long'))
    await bench.until('three megabytes are read', () => bytes >= 3_000_000)
    assert.ok(performance.now() - began > 1000, 'it was read as fast as it was said')
  })
})

test('what lies in its place goes, but a link is not followed', { skip }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-ms-'))
  const treasure = join(dir, 'treasure')
  const path = join(dir, 'mark.sock')
  writeFileSync(treasure, 'mine', { mode: 0o640 })
  symlinkSync(treasure, path)
  const none = (): void => {}
  const uid = process.getuid?.() as number
  const owner = uid === 0 ? { uid: 1, gid: 1 } : { uid, gid: process.getgid?.() as number }
  const server = await listenModule({
    path,
    owner,
    lineMaxBytes: LINE,
    libc: libc as Libc,
    nowMs: () => 0,
    isOwn: () => false,
    onConnection: none,
    onTurnedAway: none,
  })
  try {
    assert.deepEqual([lstatSync(treasure).mode & 0o777, lstatSync(treasure).uid], [0o640, uid])
    assert.deepEqual([lstatSync(path).isSocket(), lstatSync(path).uid], [true, owner.uid])
  } finally {
    server.close()
    rmSync(dir, { recursive: true, force: true })
  }
})

test('however bytes are cut, lines come whole, and none reaches the bound', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '\n', '{') })
  fc.assert(
    fc.property(fc.array(text), fc.array(fc.integer({ min: 1, max: 7 })), (pieces, cuts) => {
      const bytes = Buffer.from(pieces.join(''))
      const lines: string[] = []
      let over = 0
      const take = frames(
        8,
        line => lines.push(line),
        () => over++,
        () => true,
      )
      let at = 0
      for (let n = 0; at < bytes.length; n++) {
        const size = cuts[n % Math.max(1, cuts.length)] ?? 3
        take(bytes.subarray(at, at + size))
        at += size
      }
      const all = bytes.toString().split('\n')
      const bad = all.findIndex(line => Buffer.byteLength(line) >= 8)
      const whole = (bad < 0 ? all.slice(0, -1) : all.slice(0, bad)).filter(line => line !== '')
      assert.deepEqual([lines, over], [whole, bad < 0 ? 0 : 1])
    }),
  )
})
