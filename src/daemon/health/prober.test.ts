import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProbeResult } from '../../core/health.ts'
import type { ModuleSpec, Plan } from '../../core/plan.ts'
import type { ModuleView } from '../../core/view.ts'
import { fakeClock } from '../../host/clock.ts'
import { Prober } from './prober.ts'

const http = { kind: 'http', url: 'http://localhost:1/' } as const

function bench(spec: Partial<ModuleSpec>) {
  const clock = fakeClock()
  const told: string[] = []
  let result: ProbeResult = { ok: false, reason: 'refused' }
  let asked = 0
  let sizeBytes = 0
  let match: ((line: string) => void) | null = null
  const prober = new Prober({
    clock,
    probe: async () => {
      asked++
      return result
    },
    tell: (module, runId, found, reason) => told.push(`${module} ${runId} ${found}: ${reason}`),
    log: {
      watchFor: (_run, matched) => {
        match = matched
        return { close: () => (match = null) }
      },
      look: () => ({ sizeBytes, ageMs: 0 }),
    },
  })
  const full = {
    name: 'vida',
    ready: { kind: 'delay', delayMs: 1000 },
    health: null,
    silenceMs: null,
    ...spec,
  }
  prober.setPlan({ modules: [full] } as unknown as Plan)
  prober.linkUp()
  const pass = async (ms: number): Promise<void> => {
    for (let gone = 0; gone < ms; gone += 500) {
      clock.advance(500)
      prober.tick()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return {
    clock,
    told,
    prober,
    pass,
    answer: (ok: boolean, reason: string) => {
      result = { ok, reason }
    },
    asked: () => asked,
    grow: () => sizeBytes++,
    line: () => match?.('listening'),
    watching: () => match !== null,
  }
}

function view(state: ModuleView['state'], run_id = 'R1', more: Partial<ModuleView> = {}): ModuleView {
  const common = {
    name: 'vida',
    kind: 'service',
    reason: '',
    pid: 1,
    spares: [],
    started_at: null,
    ready_at: null,
  }
  return { ...common, state, run_id, ...more } as unknown as ModuleView
}

const ready = { ...http, timeoutMs: 10_000, intervalMs: 1000 }
const health = {
  probe: http,
  intervalMs: 1000,
  timeoutMs: 500,
  failures: 3,
  startPeriodMs: 0,
  action: 'restart',
} as const

test('a starting run is ready at the first good probe, and told once', async () => {
  const { prober, pass, answer, told } = bench({ ready })
  prober.observe(view('starting'))
  await pass(3000)
  assert.deepEqual(told, [])
  answer(true, 'answered 200')
  await pass(3000)
  assert.deepEqual(told, ['vida R1 ready: answered 200'])
  prober.close()
})

test('a run that is not ready in time is told so, with the last reason', async () => {
  const { prober, pass, told } = bench({ ready })
  prober.observe(view('starting'))
  await pass(11_000)
  assert.deepEqual(told, ['vida R1 unready: not ready in time: refused'])
  prober.close()
})

test('while the keeper is away the timeout stands still, and what was found waits', async () => {
  const { prober, pass, answer, told } = bench({ ready })
  prober.observe(view('starting'))
  await pass(5000)
  prober.linkDown()
  await pass(60_000)
  assert.deepEqual(told, [])
  answer(true, 'answered 200')
  await pass(2000)
  assert.deepEqual(told, [])
  prober.linkUp()
  assert.deepEqual(told, ['vida R1 ready: answered 200'])
  prober.close()
})

test('health is told on change only, and again after the link was down', async () => {
  const { prober, pass, answer, told } = bench({ health })
  answer(true, 'answered 200')
  prober.observe(view('ready'))
  await pass(10_000)
  assert.deepEqual(told, ['vida R1 healthy: answered 200'])
  answer(false, 'refused')
  await pass(10_000)
  assert.match(told[1] ?? '', /unhealthy: refused \(3 in a row\)/)
  assert.equal(told.length, 2)
  prober.linkDown()
  prober.linkUp()
  assert.equal(told.length, 3)
  prober.close()
})

test('a new run begins anew, and a stopped one is not probed', async () => {
  const { prober, pass, told, asked } = bench({ health })
  prober.observe(view('ready'))
  await pass(2000)
  prober.observe(view('stopping'))
  const before = asked()
  await pass(5000)
  assert.equal(asked(), before)
  prober.observe(view('ready', 'R2'))
  await pass(5000)
  assert.deepEqual(told, ['vida R2 unhealthy: refused (3 in a row)'])
  prober.close()
})

test('the incoming run of a reload is probed under its own name until it is the module', async () => {
  const { prober, pass, answer, told } = bench({ ready })
  prober.observe(view('ready', 'R1', { spares: [{ pid: 2, run_id: 'R2' }] }))
  await pass(2000)
  answer(true, 'answered 200')
  await pass(2000)
  assert.deepEqual(told, ['vida~next R2 ready: answered 200'])
  prober.observe(view('ready', 'R2', { spares: [{ pid: 1, run_id: 'R1' }] }))
  await pass(2000)
  assert.equal(told.length, 1)
  prober.close()
})

test('a line of its log makes it ready; then the log is let go', async () => {
  const { prober, pass, line, told, watching } = bench({
    ready: { kind: 'log', pattern: 'listening', timeoutMs: 5000 },
  })
  prober.observe(view('starting'))
  await pass(1000)
  line()
  assert.deepEqual(told, ['vida R1 ready: its log says so'])
  prober.observe(view('ready'))
  assert.equal(watching(), false)
  prober.close()
})

test('a silent log is unhealthy, the next byte is not', async () => {
  const { prober, pass, grow, told } = bench({ silenceMs: 5000 })
  prober.observe(view('ready'))
  for (let i = 0; i < 10; i++) {
    grow()
    await pass(1000)
  }
  assert.deepEqual(told, ['vida R1 healthy: its log goes on'])
  await pass(7000)
  assert.match(told[1] ?? '', /unhealthy: no log line for 5 s/)
  grow()
  await pass(2000)
  assert.match(told[2] ?? '', /healthy/)
  prober.close()
})

test('a changed probe takes effect in the running run', async () => {
  const { prober, pass, told } = bench({})
  prober.observe(view('ready'))
  await pass(5000)
  assert.deepEqual(told, [])
  const spec = { name: 'vida', ready: { kind: 'delay', delayMs: 1 }, health, silenceMs: null }
  prober.setPlan({ modules: [spec] } as unknown as Plan)
  prober.observe(view('ready'))
  await pass(5000)
  assert.match(told[0] ?? '', /unhealthy/)
  prober.close()
})
