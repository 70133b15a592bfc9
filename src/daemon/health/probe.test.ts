import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readStat } from '../../host/proc.ts'
import { execProbe } from './exec-probe.ts'
import { httpProbe, tcpProbe } from './probe.ts'

async function served(listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener)
  const port = await listen(server)
  try {
    await work(`http://127.0.0.1:${port}/ping`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  return (server.address() as AddressInfo).port
}

for (const [status, ok] of [
  [200, true],
  [204, true],
  [302, true],
  [404, false],
  [500, false],
] as const) {
  test(`an answer ${status} is ${ok ? 'good' : 'bad'}`, async () => {
    let asked = 0
    const answer: RequestListener = (_request, response) => {
      asked++
      response.writeHead(status, { location: '/elsewhere' }).end()
    }
    await served(answer, async url => {
      assert.deepEqual(await httpProbe(url, 2000), { ok, reason: `answered ${status}` })
      assert.equal(asked, 1)
    })
  })
}

test('a server that accepts and says nothing is bad within the timeout', async () => {
  await served(
    () => {},
    async url => {
      const before = performance.now()
      const result = await httpProbe(url, 200)
      assert.deepEqual(result, { ok: false, reason: 'no answer within 200 ms' })
      assert.ok(performance.now() - before < 1000)
    },
  )
})

test('a server that hangs in its answer, or breaks off, is bad', async () => {
  const hang: RequestListener = (_request, response) => void response.writeHead(200).write('half')
  await served(hang, async url => assert.equal((await httpProbe(url, 200)).ok, false))
  const cut: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('half', () => response.destroy())
  }
  await served(cut, async url => assert.equal((await httpProbe(url, 2000)).ok, false))
})

test('an endless body is cut at 64 KB and judged by its status', async () => {
  let sent = 0
  const endless: RequestListener = (_request, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384))) sent += 16_384
    }
    response.on('drain', more)
    more()
  }
  await served(endless, async url => {
    assert.equal((await httpProbe(url, 2000)).ok, true)
    assert.ok(sent < 64 * 1024 * 1024)
  })
})

test('a reset and a refused connection are bad, with the reason', async () => {
  const server = createTcpServer(socket => socket.resetAndDestroy())
  const port = await listen(server)
  assert.match((await httpProbe(`http://127.0.0.1:${port}/`, 2000)).reason, /ECONNRESET|hang up/)
  await new Promise(resolve => server.close(resolve))
  assert.match((await httpProbe(`http://127.0.0.1:${port}/`, 2000)).reason, /ECONNREFUSED/)
  assert.match((await tcpProbe('127.0.0.1', port, 2000)).reason, /ECONNREFUSED/)
})

test('a port that accepts is good for tcp', async () => {
  const server = createTcpServer(socket => socket.on('error', () => {}))
  const port = await listen(server)
  const result = await tcpProbe('127.0.0.1', port, 2000)
  server.close()
  assert.equal(result.ok, true)
})

const place = { cwd: '/', env: { PATH: '/usr/bin:/bin', MARK: 'here' }, user: null }

test('a command that exits 0 is good, any other tells its code and last line', async () => {
  assert.equal((await execProbe(['sh', '-c', 'test "$MARK" = here'], 5000, place)).ok, true)
  const bad = await execProbe(['sh', '-c', 'echo first; echo queue is full >&2; exit 3'], 5000, place)
  assert.equal(bad.ok, false)
  assert.match(bad.reason, /exit 3: queue is full/)
  assert.equal((await execProbe(['no-such-command-at-all'], 5000, place)).ok, false)
})

test('a command that hangs is ended with all it started', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-probe-'))
  const file = join(dir, 'pid')
  try {
    const script = `sleep 60 & echo $! > ${file}; wait`
    const result = await execProbe(['sh', '-c', script], 300, place)
    assert.equal(result.ok, false)
    assert.ok(existsSync(file))
    const pid = Number(readFileSync(file, 'utf8'))
    const deadline = performance.now() + 3000
    for (let stat = readStat(pid); stat !== null && stat.state !== 'Z'; stat = readStat(pid)) {
      assert.ok(performance.now() < deadline, 'it is still there')
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
