import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeJobs } from '../../../test/fake-jobs.ts'
import type { Ask } from '../../contract/keeper.ts'
import { MarkError } from '../../core/errors.ts'
import type { LogLine } from '../../core/log-line.ts'
import type { FleetEvent, ModuleView, StatusDocument } from '../../core/view.ts'
import { makeApp } from './app.ts'
import type { ApiDeps } from './deps.ts'
import { QUEUE_MAX_BYTES, StreamHub } from './stream.ts'

const event = (seq: number): FleetEvent => {
  return {
    journal_id: 'J',
    seq,
    at: '2026-01-01T00:00:00.000Z',
    kind: 'ready',
    module: 'vida',
    run_id: null,
    data: {},
  }
}

function bench(more: Partial<ApiDeps> = {}) {
  const asks: Ask[] = []
  const failures: unknown[] = []
  const pauses: string[] = []
  const vida = { name: 'vida', state: 'ready' } as ModuleView
  const stream = new StreamHub({
    snapshot: () => ({ fleet: 'sipa' }),
    missed: async (_journal, seq) =>
      seq < 10 ? null : { events: [event(seq + 1), event(seq + 2)], more: false },
  })
  const app = makeApp(
    {
      fleet: () => ({ fleet: 'sipa', modules: [vida] }) as unknown as StatusDocument,
      module: name => (name === 'vida' ? vida : null),
      said: () => null,
      hears: () => true,
      pause: (module, by, reason) => pauses.push(`pause ${module} ${by} ${reason}`),
      resume: (module, by, reason) => {
        pauses.push(`resume ${module} ${by} ${reason}`)
        return { resumed: true, halt: null }
      },
      keeperUp: () => true,
      ask: async ask => {
        asks.push(ask)
        return { modules: ['vida'] }
      },
      archive: {
        events: async query => ({ events: [event(1)], firstId: 7, lastId: 9, more: query.limit === 1 }),
        exits: async () => ({ exits: [], more: false }),
        exit: async () => null,
        jobRows: async () => ({ rows: [], more: false }),
        jobRow: async () => null,
        spans: async () => [],
      },
      jobs: new FakeJobs(),
      logs: { tail: () => [] },
      stream,
      matcher: pattern => {
        const expression = new RegExp(pattern)
        return lines => lines.map(line => expression.test(line))
      },
      version: '0.1.0',
      nowMs: () => Date.UTC(2026, 0, 1),
      mintKillId: () => 'K-1',
      failed: error => failures.push(error),
      ...more,
    },
    ['localhost'],
  )
  const ask = (path: string, init: RequestInit = {}, headers: Record<string, string> = {}) => {
    return app.request(`http://localhost${path}`, { ...init, headers: { host: 'localhost', ...headers } })
  }
  const post = (path: string, body: unknown = {}, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }
    return ask(path, init, { 'content-type': 'application/json', ...headers })
  }
  return { ask, post, asks, failures, pauses, stream }
}

async function problemOf(response: Response): Promise<{ status: number; code: string; detail: string }> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  return (await response.json()) as { status: number; code: string; detail: string }
}

test('the fleet, its modules and one module are served', async () => {
  const { ask } = bench()
  assert.equal(((await (await ask('/api/v1/fleet')).json()) as { fleet: string }).fleet, 'sipa')
  assert.equal(((await (await ask('/api/v1/modules')).json()) as { modules: unknown[] }).modules.length, 1)
  assert.equal(((await (await ask('/api/v1/modules/vida')).json()) as { name: string }).name, 'vida')
  assert.deepEqual(await (await ask('/healthz')).json(), { ok: true, keeper: true, version: '0.1.0' })
})

test('what is not there, and names that are none, are 404 with a code', async () => {
  const { ask } = bench()
  for (const path of [
    '/api/v1/modules/nobody',
    '/api/v1/modules/..%2f..%2fetc',
    '/api/v1/modules/UP',
    '/api/v1/exits/x',
  ]) {
    const { status, code } = await problemOf(await ask(path))
    assert.deepEqual([status, /^MARK_/.test(code)], [404, true], path)
  }
  assert.equal((await problemOf(await ask('/api/v1/nothing'))).status, 404)
  assert.equal((await problemOf(await ask('/'))).status, 404)
})

test('a browser, a foreign host and no host at all are refused', async () => {
  const { ask, asks } = bench()
  for (const headers of [
    { origin: 'http://localhost' },
    { origin: 'null' },
    { host: 'evil.example' },
    { host: 'localhost:80' },
  ]) {
    assert.equal((await ask('/api/v1/fleet', {}, headers as Record<string, string>)).status, 403)
    assert.equal(
      (await ask('/api/v1/kill', { method: 'POST' }, headers as Record<string, string>)).status,
      403,
    )
  }
  assert.deepEqual(asks, [])
})

test('commands go to the keeper by module name and nothing else gets through', async () => {
  const { post, asks } = bench()
  for (const verb of ['start', 'stop', 'restart', 'reload', 'hold', 'unhold']) {
    assert.equal((await post(`/api/v1/modules/vida/${verb}`, { reason: 'drill' })).status, 202)
  }
  assert.deepEqual(
    asks.map(ask => ask.ask),
    ['start', 'stop', 'restart', 'reload', 'hold', 'unhold'],
  )
  assert.deepEqual(asks[0], { ask: 'start', modules: ['vida'], by: 'api', reason: 'drill' })
  const bad: unknown[] = [
    { command: ['sh'] },
    { reason: 5 },
    { reason: 'a\nb' },
    [],
    'not json',
    { __proto__x: 1 },
  ]
  for (const body of bad)
    assert.equal((await problemOf(await post('/api/v1/modules/vida/stop', body))).status, 400)
  assert.equal((await post('/api/v1/modules/vida/destroy')).status, 404)
  assert.equal((await post('/api/v1/modules/vida/stop', '{"__proto__":{"x":1}}')).status, 400)
  assert.equal((await post('/api/v1/modules/vida/stop', 'x'.repeat(70_000))).status, 400)
  assert.equal((await post('/api/v1/modules/vida/stop', {}, { 'content-type': 'text/plain' })).status, 400)
  assert.equal(asks.length, 6)
})

test('kill and release are checked and passed on', async () => {
  const { post, asks } = bench()
  assert.equal((await post('/api/v1/kill')).status, 202)
  assert.deepEqual(asks[0], {
    ask: 'kill',
    kill_id: 'K-1',
    scope: 'all',
    level: 'halt',
    reason: null,
    by: 'api',
  })
  assert.equal((await post('/api/v1/kill', { scope: 'account:kraken:main', level: 'flatten' })).status, 202)
  for (const body of [{ scope: 'x' }, { scope: 'module:../x' }, { level: 'die' }, { scope: 3 }]) {
    assert.equal((await post('/api/v1/kill', body)).status, 400)
  }
  assert.equal((await post('/api/v1/kill/K-1/release')).status, 400)
  assert.equal((await post('/api/v1/kill/K-1/release', { reason: 'checked' })).status, 202)
  assert.equal(asks.length, 3)
})

test('an Idempotency-Key has one effect, and serves one request only', async () => {
  const { post, asks } = bench()
  const headers = { 'idempotency-key': 'abc' }
  const answers = await Promise.all(
    [1, 2, 3].map(async () => await post('/api/v1/modules/vida/restart', {}, headers)),
  )
  assert.deepEqual(
    answers.map(answer => answer.status),
    [202, 202, 202],
  )
  assert.equal(asks.length, 1)
  assert.equal((await post('/api/v1/modules/vida/stop', {}, headers)).status, 422)
})

test('what the keeper refuses is told; what failed may be asked again', async () => {
  let away = true
  const { post } = bench({
    ask: async () => {
      if (away) throw new MarkError('MARK_NOT_RUNNING', 'The keeper is away.')
      throw new MarkError('MARK_LATCHED', 'Killed.', 'Release it.')
    },
  })
  const headers = { 'idempotency-key': 'k' }
  assert.equal((await problemOf(await post('/api/v1/modules/vida/start', {}, headers))).status, 503)
  away = false
  const refused = await problemOf(await post('/api/v1/modules/vida/start', {}, headers))
  assert.deepEqual([refused.status, refused.code], [409, 'MARK_LATCHED'])
})

test('our own fault says nothing of itself', async () => {
  const { ask, failures } = bench({
    fleet: () => {
      throw new Error('secret path /srv/x')
    },
  })
  const response = await ask('/api/v1/fleet')
  const text = await response.text()
  assert.equal(response.status, 500)
  assert.ok(!text.includes('secret'))
  assert.equal(failures.length, 1)
})

test('events come with a cursor; what is unknown or forged is refused', async () => {
  const { ask } = bench()
  const first = (await (await ask('/api/v1/events?limit=1')).json()) as { next_cursor: string }
  assert.equal((await ask(`/api/v1/events?cursor=${first.next_cursor}`)).status, 200)
  assert.equal((await ask('/api/v1/events?module=vida&since=15m')).status, 200)
  for (const query of [
    'limit=0',
    'limit=1e9',
    'since=yesterday',
    'cursor=x',
    'foo=1',
    'limit=1&limit=2',
    'cursor=eyJiZWZvcmUiOiJ4In0',
  ]) {
    assert.equal((await ask(`/api/v1/events?${query}`)).status, 400, query)
  }
})

test('logs are found by level, pattern and time, page by page, each line once', async () => {
  const all: LogLine[] = Array.from({ length: 2500 }, (_, i) => ({
    module: 'vida',
    offset: i * 10,
    end: i * 10 + 10,
    timeMs: Date.UTC(2026, 0, 1) - (2500 - i) * 1000,
    exact: true,
    level: i % 100 === 0 ? 'error' : 'info',
    text: `line ${i}`,
    runId: null,
    continued: false,
  }))
  const tail = (_m: string, count: number, before: number | null) => {
    return all.filter(line => before === null || line.offset < before).slice(-count)
  }
  const { ask } = bench({ logs: { tail } })
  const get = async (query: string) => {
    return (await (await ask(`/api/v1/modules/vida/logs?${query}`)).json()) as {
      lines: { text: string }[]
      next_cursor: string | null
    }
  }
  assert.deepEqual(
    (await get('n=2')).lines.map(line => line.text),
    ['line 2498', 'line 2499'],
  )
  assert.equal((await get('level=warning&n=1000')).lines.length, 25)
  assert.deepEqual(
    (await get('grep=line 77$')).lines.map(line => line.text),
    ['line 77'],
  )
  assert.equal((await get('since=10s&n=5000')).lines.length, 10)
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page = await get(`n=700${cursor === null ? '' : `&cursor=${cursor}`}`)
    seen.unshift(...page.lines.map(line => line.text))
    cursor = page.next_cursor
  } while (cursor !== null)
  assert.deepEqual(
    seen,
    all.map(line => line.text),
  )
  assert.equal((await ask('/api/v1/modules/vida/logs?grep=(')).status, 400)
})

async function readUntil(response: Response, wanted: RegExp): Promise<string> {
  const reader = response.body?.getReader()
  let text = ''
  while (reader && !wanted.test(text)) {
    const { value, done } = await reader.read()
    if (done) break
    text += Buffer.from(value).toString('utf8')
  }
  await reader?.cancel()
  return text
}

test('the stream begins with a snapshot and goes on with what changes', async () => {
  const { ask, stream } = bench()
  const response = await ask('/api/v1/stream')
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  stream.publish({ kind: 'event', value: event(5) })
  const text = await readUntil(response, /"seq":5/)
  assert.match(text, /event: snapshot\ndata: {"fleet":"sipa"}/)
  assert.match(text, /id: J:5\nevent: event/)
  assert.equal(stream.clients, 0)
})

test('a client that comes back gets what it missed, once; or is told that there is a gap', async () => {
  const { ask, stream } = bench()
  for (const seq of [21, 22, 23]) stream.publish({ kind: 'event', value: event(seq) })
  const again = await readUntil(await ask('/api/v1/stream', {}, { 'last-event-id': 'J:21' }), /J:23/)
  assert.deepEqual(
    [...again.matchAll(/id: J:(\d+)/g)].map(match => match[1]),
    ['22', '23'],
  )
  const older = await readUntil(await ask('/api/v1/stream', {}, { 'last-event-id': 'J:19' }), /J:23/)
  assert.deepEqual(
    [...older.matchAll(/id: J:(\d+)/g)].map(match => match[1]),
    ['20', '21', '22', '23'],
  )
  assert.match(
    await readUntil(await ask('/api/v1/stream', {}, { 'last-event-id': 'J:3' }), /gap/),
    /event: gap/,
  )
})

test('a client that does not read is dropped at 1 MB, and nobody else', async () => {
  const { ask, stream } = bench()
  const slow = await ask('/api/v1/stream')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(stream.clients, 1)
  const big = { kind: 'module', value: { text: 'x'.repeat(QUEUE_MAX_BYTES / 8) } } as const
  for (let i = 0; i < 10; i++) stream.publish(big)
  assert.equal(stream.clients, 0)
  const live = await ask('/api/v1/stream')
  stream.publish({ kind: 'event', value: event(9) })
  assert.match(await readUntil(live, /J:9/), /snapshot/)
  void slow
})

test('pause and resume go to who tells modules, with who asked and why', async () => {
  const { post, pauses } = bench()
  assert.equal((await post('/api/v1/modules/vida/pause', { reason: 'a look', by: 'ann' })).status, 202)
  const resumed = await post('/api/v1/modules/vida/resume')
  assert.deepEqual(await resumed.json(), { resumed: true, halt: null })
  assert.deepEqual(pauses, ['pause vida ann a look', 'resume vida api null'])
  assert.equal((await post('/api/v1/modules/roko/pause')).status, 404)
})
