import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { OwnProcess } from '../../src/sdk/mark-module.ts'
import { MarkModule } from '../../src/sdk/mark-module.ts'
import { FakeMark, until } from './fake-mark.ts'

const SAMPLE = join(import.meta.dirname, 'module-sample.ts')
const NO_PROCESS: OwnProcess = {
  pid: process.pid,
  onStopSignal() {},
  onCrash() {},
  onceExit() {},
  setExitCode() {},
  exit: () => {
    throw new Error('it ended')
  },
}

let fake: FakeMark
const modules: MarkModule[] = []
beforeEach(() => {
  fake = new FakeMark()
})
afterEach(async () => {
  for (const mark of modules.splice(0)) mark.leave()
  await fake.gone()
})

function newModule(): MarkModule {
  const haltFile = join(fake.dir, 'halt', 'teea')
  const env = { MARK_SOCKET: fake.path, MARK_RUN_ID: 'R', MARK_HALT_FILE: haltFile }
  const mark = new MarkModule(env, NO_PROCESS)
  modules.push(mark)
  return mark
}

test('hello is the first word, and what is said arrives in order', async () => {
  await fake.up()
  const mark = newModule()
  mark.ready()
  mark.heartbeat({ state: 'trading', feeds: { BTCUSDT: 7 } })
  await until('a heartbeat', () => fake.of('heartbeat').length > 0)
  mark.ping()
  mark.metric('latency_ms', 3.5, { venue: 'kraken' })
  await until('a metric', () => fake.of('metric').length > 0)
  const types = fake.heard.map(message => message.type)
  assert.deepEqual(types, ['hello', 'ready', 'heartbeat', 'ping', 'metric'])
  const { pid, run_id } = fake.of('hello')[0]!
  assert.deepEqual([pid, run_id], [process.pid, 'R'])
  assert.deepEqual(fake.of('heartbeat')[0]?.feeds, [{ name: 'BTCUSDT', last_tick_ts: 7 }])
  assert.deepEqual(fake.refused, [])
})

test('while MARK is away only the newest is kept, and it is said when MARK is back', async () => {
  const mark = newModule()
  mark.ready()
  mark.degraded('slow')
  for (let i = 0; i < 1000; i++) mark.heartbeat({ open_orders: i })
  mark.degraded(null)
  await fake.up()
  await until('a heartbeat', () => fake.of('heartbeat').length > 0)
  assert.deepEqual(
    fake.heard.slice(1).map(message => message.type),
    ['ready', 'degraded', 'heartbeat'],
  )
  assert.equal(fake.of('heartbeat')[0]?.open_orders, 999)
  assert.equal(fake.of('degraded')[0]?.reason, null)
})

test('a restarted MARK is told again what is still true', async () => {
  await fake.up()
  const mark = newModule()
  mark.ready()
  mark.reconciled(true)
  await until('reconciled', () => fake.of('reconciled').length > 0)
  await fake.down()
  await fake.up()
  await until('ready again', () => fake.of('ready').length === 2)
  assert.equal(fake.of('hello').length, 2)
  assert.equal(fake.of('reconciled').length, 1)
})

test('a MARK that takes nothing holds up nothing, and costs no memory', async () => {
  fake.isDeaf = true
  await fake.up()
  const mark = newModule()
  mark.ready()
  await until('a connection', () => fake.connections > 0)
  const began = performance.now()
  const heapBefore = process.memoryUsage().rss
  for (let i = 0; i < 20_000; i++) mark.heartbeat({ version: 'x'.repeat(100) })
  assert.ok((performance.now() - began) / 20_000 < 1, 'a call takes less than a millisecond')
  assert.ok(process.memoryUsage().rss - heapBefore < 100 * 1024 * 1024)
})

test('halts come from the socket and from the file, the strictest counts', async () => {
  mkdirSync(join(fake.dir, 'halt'))
  await fake.up('pause')
  const mark = newModule()
  const told: string[] = []
  mark.onPause(() => told.push('pause'))
  mark.onHalt(({ level, reason }) => told.push(`${level} ${reason}`))
  mark.onResume(() => told.push('resume'))
  await until('the welcome', () => told.length === 1)
  writeFileSync(join(fake.dir, 'halt', 'teea'), 'flatten')
  await until('the file', () => told.length === 2, 2000)
  fake.say({ type: 'halt', level: 'halt', reason: 'operator' })
  rmSync(join(fake.dir, 'halt', 'teea'))
  await until('the socket alone', () => told.length === 3, 2000)
  fake.say({ type: 'resume' })
  await until('all clear', () => told.length === 4)
  assert.deepEqual(told, ['pause', 'flatten null', 'halt operator', 'resume'])
})

test('a connection that ends resumes nothing, and a callback that comes late is told', async () => {
  await fake.up('halt')
  const mark = newModule()
  const told: string[] = []
  mark.onHalt(({ level }) => told.push(level))
  mark.onResume(() => told.push('resume'))
  await until('the welcome', () => told.length === 1)
  await fake.down()
  mark.onHalt(({ level }) => told.push(`late ${level}`))
  await until('the late one', () => told.length === 2)
  await fake.up(null)
  await until('the next welcome', () => told.length === 3)
  assert.deepEqual(told, ['halt', 'late halt', 'resume'])
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function runSample(what: string, more: NodeJS.ProcessEnv, stopWhenUp = false): Promise<Ended> {
  const env = { PATH: process.env.PATH, ...more }
  return new Promise(resolve => {
    const child = spawn(process.execPath, [SAMPLE, what], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.on('data', text => {
      out += text
      if (stopWhenUp && String(text).includes('up')) child.kill('SIGTERM')
    })
    child.stderr.on('data', text => (err += text))
    child.on('close', code => resolve({ code, out, err }))
  })
}

test('the SDK never keeps a process alive', async () => {
  await fake.up()
  const { code, err } = await runSample('idle', { MARK_SOCKET: fake.path })
  assert.equal(code, 0, err)
  assert.equal(fake.of('heartbeat').length, 1)
})

test('outside MARK every call does nothing', async () => {
  const { code, out, err } = await runSample('outside', {})
  assert.equal(code, 0, err)
  const nowhere = { root: null, state: null, logs: null, data: null }
  assert.deepEqual(JSON.parse(out), [null, nowhere, null, 'place', 'unknown'])
})

test('a crash is told and goes on', async () => {
  await fake.up()
  const { code, out, err } = await runSample('crash', { MARK_SOCKET: fake.path })
  assert.equal(code, 1)
  assert.match(out, /theirs/)
  assert.match(err, /RangeError: bad price/)
  await until('its last words', () => fake.of('closing').length > 0)
  assert.deepEqual(fake.of('crash')[0]?.error, { type: 'RangeError', message: 'bad price' })
  assert.match(fake.of('crash')[0]?.traceback ?? '', /module-sample\.ts/)
  assert.equal(fake.of('closing')[0]?.code, 1)
})

test('lost state ends with 11, and says so', async () => {
  await fake.up()
  writeFileSync(join(fake.dir, 'gone.exists'), '')
  const { code, err } = await runSample('lost', { MARK_SOCKET: fake.path, FOLDER: fake.dir })
  assert.equal(code, 11, err)
  await until('its last word', () => fake.of('closing').length > 0)
  assert.equal(fake.of('closing')[0]?.code, 11)
})

test('an exit by name leaves its closing record', async () => {
  await fake.up()
  const { code } = await runSample('exit', { MARK_SOCKET: fake.path })
  assert.equal(code, 78)
  await until('its last word', () => fake.of('closing').length > 0)
  assert.deepEqual(fake.of('closing')[0], { type: 'closing', code: 78, reason: 'no API key' })
})

test('a stop is told, and heard beside the handlers that were there', async () => {
  await fake.up()
  const { code, out } = await runSample('stop', { MARK_SOCKET: fake.path }, true)
  assert.equal(code, 0)
  assert.match(out, /theirs/)
  assert.match(out, /stop SIGTERM/)
  await until('stopping', () => fake.of('stopping').length > 0)
})
