import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { StoryLife } from '../../test/stories/story-life.ts'
import { LINE_MAX_BYTES } from '../contract/keeper.ts'
import { KeeperServer } from './server.ts'

interface Reply {
  readonly id?: number
  readonly ok?: boolean
  readonly value?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null }
  readonly push?: string
}

interface Client {
  readonly socket: Socket
  /** Sends lines as they are and waits for as many replies. */
  readonly say: (...lines: readonly (string | object)[]) => Promise<Reply[]>
  /** The next lines from the keeper. */
  readonly next: (count: number) => Promise<Reply[]>
}

/** A server on a real socket, with a fleet of one module behind it unless it is still starting. */
async function serve(context: TestContext, { starting = false } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'mark-server-'))
  const path = join(dir, 'keeper.sock')
  const life = new StoryLife()
  for (const line of ['module luka ready=notify', 'up']) life.run(line)
  const heard: string[] = []
  const left = Promise.withResolvers<void>()
  const server = new KeeperServer()
  if (!starting && life.keeper) {
    const daemonwards = { hello: (pid: number) => heard.push(`hello ${pid}`), left: left.resolve }
    server.serve(life.keeper.engine, daemonwards)
  }
  const listening = await server.listen(path)
  const clients: Client[] = []
  context.after(async () => {
    for (const client of clients) client.socket.destroy()
    await listening.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const client = async (): Promise<Client> => {
    const made = await connected(path)
    clients.push(made)
    return made
  }
  return { path, life, server, heard, left: left.promise, client }
}

async function connected(path: string): Promise<Client> {
  const socket = connect(path)
  await once(socket, 'connect')
  // The keeper may end a connection while it is written to.
  socket.on('error', () => {})
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  const next = async (count: number): Promise<Reply[]> => {
    const replies: Reply[] = []
    while (replies.length < count) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`the connection ended after ${replies.length} of ${count} lines`)
      replies.push(JSON.parse(value as string) as Reply)
    }
    return replies
  }
  const say = async (...sent: readonly (string | object)[]): Promise<Reply[]> => {
    socket.write(sent.map(line => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
    return next(sent.length)
  }
  return { socket, say, next }
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.resume().once('close', () => resolve()))
}

function modulesOf(reply: Reply | undefined): { name: string; state: string }[] {
  return (reply?.value?.modules ?? []) as { name: string; state: string }[]
}

const PING = { id: 7, ask: 'ping' }

test('only the owner may knock', async context => {
  const { path } = await serve(context)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a garbage line is answered with what was wrong, and the connection goes on', async context => {
  const { client } = await serve(context)
  const { say } = await client()
  const [garbage, list, empty, ping] = await say('hello keeper', '[]', '{}', PING)
  for (const reply of [garbage, list, empty]) {
    assert.deepEqual([reply?.id, reply?.ok, reply?.error?.code], [0, false, 'MARK_PROTOCOL'])
  }
  assert.deepEqual(ping, { id: 7, ok: true, value: { pid: process.pid } })
})

test('an ask that nobody knows, or of the wrong shape, is refused under its own id', async context => {
  const { client } = await serve(context)
  const { say } = await client()
  const [unknown, wrong] = await say(
    { id: 41, ask: 'explode' },
    { id: 42, ask: 'stop', modules: 'luka', by: 'op', reason: null },
  )
  assert.deepEqual([unknown?.id, unknown?.error?.code], [41, 'MARK_PROTOCOL'])
  assert.deepEqual([wrong?.id, wrong?.error?.code], [42, 'MARK_PROTOCOL'])
})

test('a line without an end is cut off at the limit, and nobody else notices', async context => {
  const { client } = await serve(context)
  const [greedy, other] = [await client(), await client()]
  const closed = closeOf(greedy.socket)
  greedy.socket.write(Buffer.alloc(LINE_MAX_BYTES + 1024 * 1024, 0x61))
  await closed
  assert.equal((await other.say(PING))[0]?.ok, true)
})

test('a long line below the limit is read whole', async context => {
  const { client } = await serve(context)
  const { say } = await client()
  const [reply] = await say({ ...PING, padding: 'x'.repeat(1024 * 1024) })
  assert.equal(reply?.ok, true)
})

test('lines are found wherever the bytes are cut, also inside a character', async context => {
  const { client } = await serve(context)
  const { socket, next } = await client()
  const bytes = Buffer.from(
    `${JSON.stringify({ id: 1, ask: 'ping', note: 'żółć' })}\n${JSON.stringify(PING)}\n`,
  )
  for (const byte of bytes) socket.write(Buffer.from([byte]))
  assert.deepEqual(
    (await next(2)).map(reply => [reply.id, reply.ok]),
    [
      [1, true],
      [7, true],
    ],
  )
})

test('a client that goes away in the middle of a line leaves no trace', async context => {
  const { client } = await serve(context)
  const rude = await client()
  rude.socket.write('{"id":1,"ask":"down","by":"op"')
  rude.socket.end()
  await closeOf(rude.socket)
  const [state] = await (await client()).say({ id: 1, ask: 'state' })
  assert.equal(state?.value?.state, 'starting')
})

test('a refusal comes with its code, a sentence and what to do', async context => {
  const { client } = await serve(context)
  const [reply] = await (await client()).say({
    id: 1,
    ask: 'stop',
    modules: ['lukas'],
    by: 'op',
    reason: null,
  })
  assert.deepEqual(reply?.error, {
    code: 'MARK_NO_SUCH_MODULE',
    message: 'There is no module lukas.',
    hint: 'mark status lists them.',
  })
})

test('a keeper that is still starting answers ping, and that it is busy to all else', async context => {
  const { client } = await serve(context, { starting: true })
  const [ping, state, watch] = await (await client()).say(
    PING,
    { id: 1, ask: 'state' },
    { id: 2, ask: 'watch' },
  )
  assert.equal(ping?.ok, true)
  assert.deepEqual([state?.error?.code, watch?.error?.code], ['MARK_BUSY', 'MARK_BUSY'])
})

test('an ask that breaks the keeper is an error of the ask, never the end of the keeper', async context => {
  const { client } = await serve(context)
  const { say } = await client()
  const silenced = context.mock.method(process.stderr, 'write', () => true)
  const plan = { modules: [{ name: 'x' }] }
  const ask = { id: 1, ask: 'apply', plan, only: null, secretValues: {}, atomic: false, by: 'op' }
  const [broken, ping] = await say(ask, PING)
  silenced.mock.restore()
  assert.deepEqual([broken?.error?.code, ping?.ok], ['MARK_INTERNAL', true])
})

test('who watches gets the fleet, then what happened and what became of it, nobody else', async context => {
  const { client, life, server } = await serve(context)
  const [watcher, other] = [await client(), await client()]
  const [fleet] = await watcher.say({ id: 1, ask: 'watch' })
  assert.deepEqual(
    modulesOf(fleet).map(each => [each.name, each.state]),
    [['luka', 'starting']],
  )
  life.run('ready luka')
  server.moduleChanged('luka')
  server.planChanged()
  const pushes = await watcher.next(3)
  assert.deepEqual(
    pushes.map(push => push.push),
    ['plan', 'module', 'fleet'],
  )
  assert.deepEqual(
    (await other.say(PING)).map(reply => reply.id),
    [7],
  )
})

test('no push that comes after an answer tells what was before it', async context => {
  const { client, server } = await serve(context)
  const watcher = await client()
  await watcher.say({ id: 1, ask: 'watch' })
  // The turn is not over yet when the ask comes in.
  const turn = context.mock.method(globalThis, 'setImmediate', () => undefined)
  server.moduleChanged('luka')
  server.planChanged()
  turn.mock.restore()
  const [first, second, third] = await watcher.say({ id: 2, ask: 'state' }, PING, PING)
  assert.deepEqual([first?.push, second?.push, third?.push ?? third?.id], ['plan', 'module', 'fleet'])
  assert.deepEqual(
    (await watcher.next(3)).map(reply => reply.id),
    [2, 7, 7],
  )
})

test('the daemon is known by its hello and missed when it leaves; no other client is', async context => {
  const { client, heard, left } = await serve(context)
  const [daemon, other] = [await client(), await client()]
  await daemon.say({ id: 1, ask: 'hello', pid: 4711, version: '0.1.0' })
  await other.say(PING)
  assert.deepEqual(heard, ['hello 4711'])
  let gone = false
  void left.then(() => {
    gone = true
  })
  other.socket.end()
  await closeOf(other.socket)
  await daemon.say(PING)
  assert.equal(gone, false)
  daemon.socket.end()
  await left
})
