import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { Push } from '../contract/keeper.ts'
import { MarkError } from '../core/errors.ts'
import {
  askKeeper,
  type Connection,
  connectLines,
  KeeperClient,
  listenLines,
  type Server,
} from './line-socket.ts'

const MAX = 1024 * 1024
let dir: string
let path: string
let server: Server | null = null

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lines-'))
  path = join(dir, 'keeper.sock')
})
afterEach(async () => {
  await server?.close()
  server = null
  rmSync(dir, { recursive: true, force: true })
})

async function serve(onConnection: (connection: Connection) => void, maxLineBytes = MAX): Promise<void> {
  server = await listenLines(path, { mode: 0o600, maxLineBytes, onConnection })
}

/** A keeper that answers `ping` with what it got, `state` with an error, and `plan` never. */
function keeper(connection: Connection): void {
  connection.onLine(line => {
    const { id, ask } = JSON.parse(line)
    if (ask === 'ping') connection.send({ id, ok: true, value: { id } })
    if (ask === 'state') {
      connection.send({ id, ok: false, error: { code: 'MARK_BUSY', message: 'Busy.', hint: 'Wait.' } })
    }
    if (ask === 'watch') {
      connection.send({ id, ok: true, value: null })
      for (let n = 0; n < 100; n++) connection.send({ push: 'event', event: { seq: n } })
    }
    if (ask === 'down') connection.close()
  })
}

function closed(connection: { onClose(callback: () => void): void }): Promise<void> {
  return new Promise(resolve => connection.onClose(resolve))
}

function code(expected: string): (error: unknown) => boolean {
  return error => error instanceof MarkError && error.code === expected
}

test('lines cross whole and in order, however they are cut into packets', async () => {
  const got: string[] = []
  let done = (): void => {}
  const all = new Promise<void>(resolve => {
    done = resolve
  })
  await serve(connection => connection.onLine(line => got.push(line) === 4 && done()))
  const raw = connect(path)
  await once(raw, 'connect')
  for (const byte of Buffer.from('{"a":"ü€😀"}\n\n[1]\n')) raw.write(Buffer.from([byte]))
  raw.write(`"${'x'.repeat(300_000)}"\n2\n3`)
  await all
  assert.deepEqual(
    got.map(line => (line.length > 100 ? line.length : line)),
    ['{"a":"ü€😀"}', '[1]', 300_002, '2'],
  )
  raw.destroy()
})

test("asks are matched with their answers, and the keeper's errors arrive as its own", async () => {
  await serve(keeper)
  const client = await KeeperClient.connect(path, 1000)
  const answers = await Promise.all(Array.from({ length: 500 }, () => client.ask({ ask: 'ping' })))
  assert.deepEqual(
    answers.map(value => (value as { id: number }).id),
    Array.from({ length: 500 }, (_, i) => i + 1),
  )
  await assert.rejects(client.ask({ ask: 'state' }), (error: unknown) => {
    assert.ok(error instanceof MarkError)
    assert.deepEqual([error.code, error.message, error.hint], ['MARK_BUSY', 'Busy.', 'Wait.'])
    return true
  })
  client.close()
})

test('pushes come in order, also those that came before anybody listened', async () => {
  await serve(keeper)
  const client = await KeeperClient.connect(path, 1000)
  await client.ask({ ask: 'watch' })
  await client.ask({ ask: 'ping' })
  const pushes: Push[] = []
  client.onPush(push => pushes.push(push))
  assert.deepEqual(
    pushes.map(push => (push as unknown as { event: { seq: number } }).event.seq),
    [...Array(100).keys()],
  )
  client.close()
})

test('silence ends in an error that says so, in time', async () => {
  await serve(keeper)
  const began = performance.now()
  await assert.rejects(askKeeper(path, { ask: 'plan' }, 100), code('MARK_KEEPER_SILENT'))
  assert.ok(performance.now() - began < 1000)
})

test('a keeper that is stopped is silent, not absent', async () => {
  const file = join(dir, 'server.ts')
  writeFileSync(
    file,
    `const { listenLines } = await import('${import.meta.dirname}/line-socket.ts')
     await listenLines('${path}', { mode: 0o600, maxLineBytes: 1000, onConnection: () => {} })
     process.send('up')`,
  )
  const child = fork(file)
  try {
    await once(child, 'message')
    child.kill('SIGSTOP')
    await assert.rejects(askKeeper(path, { ask: 'ping' }, 100), code('MARK_KEEPER_SILENT'))
    await assert.rejects(
      serve(() => {}),
      code('MARK_BUSY'),
    )
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await assert.rejects(askKeeper(path, { ask: 'ping' }, 1000), code('MARK_NOT_RUNNING'))
  assert.equal(existsSync(path), true, 'it left its socket behind')
  await serve(keeper)
  assert.deepEqual(await askKeeper(path, { ask: 'ping' }, 1000), { id: 1 })
})

test('nobody there is MARK_NOT_RUNNING, also under a path that never was', async () => {
  await assert.rejects(askKeeper(path, { ask: 'ping' }, 1000), code('MARK_NOT_RUNNING'))
  await assert.rejects(askKeeper(join(dir, 'no', 'x.sock'), { ask: 'ping' }, 1000), code('MARK_NOT_RUNNING'))
})

test('an ask under way ends with the connection, and so does every later one', async () => {
  await serve(keeper)
  const client = await KeeperClient.connect(path, 1000)
  const gone = closed(client)
  await assert.rejects(client.ask({ ask: 'down', by: 'me' }), code('MARK_NOT_RUNNING'))
  await gone
  await assert.rejects(client.ask({ ask: 'ping' }), code('MARK_NOT_RUNNING'))
  await closed(client)
})

test('two keepers never share a path: the second is refused', async () => {
  await serve(keeper)
  await assert.rejects(
    listenLines(path, { mode: 0o600, maxLineBytes: MAX, onConnection: () => {} }),
    code('MARK_BUSY'),
  )
  assert.deepEqual(await askKeeper(path, { ask: 'ping' }, 1000), { id: 1 })
})

test("the socket is its owner's alone, under any umask", async () => {
  const umask = process.umask(0)
  try {
    await serve(keeper)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(process.umask(), 0)
  } finally {
    process.umask(umask)
  }
})

test('a line that is too long ends the connection, with its newline or without', async () => {
  for (const tail of ['\n', '']) {
    const lines: string[] = []
    await serve(connection => connection.onLine(line => lines.push(line)), 1000)
    const raw = connect(path)
    raw.on('error', () => {})
    raw.write(`ok\n${'x'.repeat(1001)}${tail}`)
    await once(raw, 'close')
    assert.deepEqual(lines, ['ok'])
    await server?.close()
  }
})

test('a reader that never reads is dropped at 16 MB, and costs no more memory', async () => {
  let sent = 0
  let dropped = false
  let settle = (): void => {}
  const gone = new Promise<void>(resolve => {
    settle = resolve
  })
  await serve(connection => {
    connection.onClose(settle)
    while (!dropped && sent < 100) {
      sent++
      dropped = !connection.send('x'.repeat(MAX))
    }
    assert.equal(connection.send('more'), false)
  })
  const raw = connect(path)
  raw.on('error', () => {})
  raw.pause()
  await gone
  assert.ok(dropped && sent >= 16 && sent <= 18, String(sent))
  raw.destroy()
})

test('rubbish instead of an answer ends the connection', async () => {
  await serve(connection => connection.onLine(() => connection.send([1, 2, 3])))
  const client = await KeeperClient.connect(path, 1000)
  await assert.rejects(client.ask({ ask: 'ping' }), code('MARK_NOT_RUNNING'))
})

test('closing ends what is open, and takes the socket away', async () => {
  await serve(keeper)
  const connection = await connectLines(path, { timeoutMs: 1000, maxLineBytes: MAX })
  connection.onLine(() => {})
  const gone = closed(connection)
  await server?.close()
  server = null
  await gone
  assert.equal(existsSync(path), false)
})

test('a path that is too long is refused before anything is made', async () => {
  const long = join(dir, 'x'.repeat(108))
  await assert.rejects(connectLinesLater(long), code('MARK_UNSUPPORTED'))
  await assert.rejects(
    listenLines(long, { mode: 0o600, maxLineBytes: MAX, onConnection: () => {} }),
    code('MARK_UNSUPPORTED'),
  )
})

test('a user without the right to connect is told so', async context => {
  if (process.getuid?.() !== 0) return context.skip('needs root')
  await serve(keeper)
  const script = `
    const { askKeeper } = await import('${import.meta.dirname}/line-socket.ts')
    await askKeeper('${path}', { ask: 'ping' }, 1000).catch(error => console.log(error.code))`
  const { chmodSync } = await import('node:fs')
  chmodSync(dir, 0o755)
  const argv = ['--input-type=module', '-e', script]
  const other = spawn(process.execPath, argv, { uid: 65534, stdio: ['ignore', 'pipe', 'inherit'] })
  assert.equal(String((await once(other.stdout, 'data'))[0]).trim(), 'MARK_DENIED')
})

async function connectLinesLater(target: string): Promise<unknown> {
  return connectLines(target, { timeoutMs: 100, maxLineBytes: MAX })
}
