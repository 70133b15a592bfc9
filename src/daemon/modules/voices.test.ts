/** What runs say, judged with a clock that moves only when told to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModuleMessage } from '../../contract/module.ts'
import type { ModuleSpec, Plan } from '../../core/plan.ts'
import type { ModuleView } from '../../core/view.ts'
import { fakeClock } from '../../host/clock.ts'
import { Voices } from './voices.ts'

const HEARTBEAT = { timeoutMs: 15_000, maxDataAgeMs: 60_000, expectState: 'trading' }

function view(state: ModuleView['state'], over: Partial<ModuleView> = {}): ModuleView {
  return { name: 'vida', state, run_id: 'R1', pid: 7, spares: [], ...over } as unknown as ModuleView
}

function planOf(over: Partial<ModuleSpec> = {}): Plan {
  const spec = { name: 'vida', ready: { kind: 'notify' }, heartbeat: HEARTBEAT, ...over }
  return { modules: [spec] } as unknown as Plan
}

function bench(over: Partial<ModuleSpec> = {}, wasPaused = false) {
  const clock = fakeClock()
  const told: string[] = []
  let changes = 0
  const voices = new Voices({
    clock,
    tell: (module, runId, found, reason) => told.push(`${module} ${runId} ${found}: ${reason}`),
    move: (module, runId, move, reason) => told.push(`${module} ${runId} ${move}: ${reason}`),
    wasPaused: () => wasPaused,
    reconciled: (module, runId, ok, detail) => told.push(`${module} ${runId} reconciled ${ok}: ${detail}`),
    changed: () => {
      changes++
    },
  })
  voices.setPlan(planOf(over))
  voices.linkUp()
  voices.connected('vida', 'R1')
  let seq = 0
  return {
    clock,
    voices,
    told: () => told.splice(0),
    changes: () => changes,
    say: (message: ModuleMessage, pid = 7) => voices.heard('R1', pid, message),
    beat: (state: 'trading' | 'stopped' = 'trading', ageMs = 0) => {
      const feeds = [{ name: 'BTC', last_tick_ts: clock.now().wallMs - ageMs }]
      voices.heard('R1', 7, { type: 'heartbeat', seq: ++seq, state, feeds })
    },
  }
}

test('ready is told once while it starts, and again to a new keeper', () => {
  const { voices, say, told } = bench()
  say({ type: 'ready' })
  assert.deepEqual(told(), [], 'the keeper has not shown the run yet')
  voices.observe(view('starting'))
  voices.observe(view('starting'))
  assert.deepEqual(told(), ['vida R1 ready: its socket'])
  voices.linkDown()
  voices.observe(view('starting'))
  assert.deepEqual(told(), [])
  voices.linkUp()
  assert.deepEqual(told(), ['vida R1 ready: its socket'])
  voices.observe(view('ready'))
  voices.linkUp()
  assert.deepEqual(told(), [])
  voices.close()
})

test('who is asked by a probe whether it is ready is not believed when it says so', () => {
  const { voices, say, told } = bench({ ready: { kind: 'tcp' } as ModuleSpec['ready'] })
  voices.observe(view('starting'))
  say({ type: 'ready' })
  assert.deepEqual(told(), [])
  voices.close()
})

test('the incoming run of a reload is starting, whatever the module itself is', () => {
  const { voices, say, told } = bench()
  voices.observe(view('ready', { run_id: 'R0', spares: [{ run_id: 'R1', pid: 7 }] }))
  say({ type: 'ready' })
  assert.deepEqual(told(), ['vida R1 ready: its socket'])
  voices.close()
})

test('health is told when it changes: stale at once, unhealthy when the silence is over the timeout', () => {
  const { voices, clock, beat, told, changes } = bench()
  voices.observe(view('ready'))
  beat()
  beat()
  beat('trading', 61_000)
  beat('stopped')
  beat()
  assert.deepEqual(told(), [
    'vida R1 healthy: its heartbeats go on',
    'vida R1 stale: no data of BTC for 61 s',
    'vida R1 healthy: its heartbeats go on',
  ])
  assert.equal(changes(), 5)
  clock.advance(15_000)
  voices.tick()
  assert.deepEqual(told(), ['vida R1 unhealthy: no heartbeat for 15 s'])
  voices.linkUp()
  assert.equal(told().length, 1)
  voices.close()
})

test('nothing is told of the health of a run that is starting or stopping', () => {
  const { voices, clock, beat, told } = bench()
  for (const state of ['starting', 'stopping'] as const) {
    voices.observe(view(state))
    beat('stopped')
    clock.advance(20_000)
    voices.tick()
  }
  assert.deepEqual(told(), [])
  voices.close()
})

test("when we were away ourselves, silence is not the module's", () => {
  const { voices, clock, beat, told } = bench()
  voices.observe(view('ready'))
  beat()
  told()
  clock.advance(60_000)
  voices.tick()
  assert.deepEqual(told(), [])
  clock.advance(5_000)
  voices.tick()
  assert.deepEqual(told(), ['vida R1 unhealthy: no heartbeat for 15 s'])
  voices.close()
})

test('a heartbeat said again on a new connection is no sign of life, another process of the run is', () => {
  const { voices, clock, say, told } = bench()
  voices.observe(view('ready'))
  say({ type: 'heartbeat', seq: 9, state: 'trading' })
  clock.advance(14_000)
  say({ type: 'heartbeat', seq: 9, state: 'trading' })
  clock.advance(1_000)
  voices.tick()
  assert.match(told().at(-1) ?? '', /unhealthy/)
  say({ type: 'heartbeat', seq: 1, state: 'trading' }, 8)
  assert.match(told().at(-1) ?? '', /healthy: its heartbeats/)
  voices.close()
})

test('degraded is shown until it is taken back; metrics, runs and what is forgotten are bounded', () => {
  const { voices, say, beat } = bench()
  say({ type: 'degraded', reason: 'falls back to the file' })
  assert.equal(voices.of('R1')?.degraded, 'falls back to the file')
  say({ type: 'degraded', reason: null })
  assert.equal(voices.of('R1')?.degraded, null)
  for (let n = 0; n < 500; n++) say({ type: 'metric', name: `m${n}`, value: n })
  beat()
  assert.equal(voices.saidBy('R1')?.metrics.length, 100)
  assert.equal(voices.forget('R1').heartbeat?.seq, 1)
  assert.equal(voices.of('R1'), null)
  for (let n = 0; n < 10; n++) voices.connected('vida', `S${n}`)
  assert.equal(voices.of('S5'), null)
  assert.ok(voices.of('S9'))
  voices.close()
})

test('a changed plan is judged at once, and a module that is gone is forgotten', () => {
  const { voices, beat, told } = bench({ heartbeat: { ...HEARTBEAT, expectState: null } })
  voices.observe(view('ready'))
  beat('stopped')
  assert.match(told()[0] ?? '', /healthy/)
  voices.setPlan(planOf())
  assert.deepEqual(told(), ['vida R1 stale: it says stopped, trading is expected'])
  voices.setHalted('vida', true)
  assert.deepEqual(told(), ['vida R1 healthy: its heartbeats go on'], 'MARK itself asked for it')
  voices.setPlan({ modules: [] } as unknown as Plan)
  assert.equal(voices.of('R1'), null)
  voices.close()
})

test('the ladder is climbed with its own clock, and fresh data takes the pause back', () => {
  const ladder = { pauseMs: 5000, recoverMs: 10_000, restartMs: 12_000 }
  const { voices, clock, beat, told } = bench({ heartbeat: { ...HEARTBEAT, ladder } })
  voices.observe(view('ready'))
  beat('stopped')
  const stopped = 'it says stopped, trading is expected'
  assert.deepEqual(told(), [`vida R1 stale: ${stopped}`])
  clock.advance(5000)
  voices.tick()
  assert.deepEqual(told(), [`vida R1 pause: ${stopped}`], 'no heartbeat is needed for it')
  voices.linkDown()
  clock.advance(5000)
  beat('stopped')
  assert.deepEqual(told(), [], 'no keeper is there to take a rung')
  voices.linkUp()
  assert.deepEqual(told(), [`vida R1 stale: ${stopped}`, `vida R1 recover: ${stopped}`])
  beat()
  const well = 'its heartbeats go on'
  assert.deepEqual(told(), [`vida R1 healthy: ${well}`, `vida R1 resume: ${well}`])
  voices.close()
})

test('while people halt it the ladder is left, and a pause of a daemon before is taken back', () => {
  const ladder = { pauseMs: 5000, recoverMs: null, restartMs: null }
  const { voices, clock, beat, told } = bench({ heartbeat: { ...HEARTBEAT, ladder } }, true)
  voices.setHalted('vida', true)
  voices.observe(view('ready'))
  beat('trading', 90_000)
  clock.advance(9000)
  beat('stopped', 90_000)
  assert.deepEqual(told(), ['vida R1 healthy: its heartbeats go on', 'vida R1 resume: its heartbeats go on'])
  voices.close()
})

test('only the last words of the main process say how a run ended', () => {
  const { voices, say } = bench()
  voices.observe(view('ready'))
  say({ type: 'crash', error: { message: 'of a child' } }, 8)
  say({ type: 'closing', code: 3 }, 8)
  assert.equal(voices.lastWords('R1', 7), null)
  say({ type: 'crash', error: { type: 'KeyError' } })
  say({ type: 'closing', code: 1 })
  assert.equal(voices.lastWords('R1', 7)?.closing?.code, 1)
  assert.equal(voices.forget('R1').crash?.error.type, 'KeyError')
  voices.close()
})

test('whether its books agree is told and shown', () => {
  const { voices, say, told } = bench()
  say({ type: 'reconciled', ok: false, detail: '2 orders differ' })
  assert.deepEqual(told(), ['vida R1 reconciled false: 2 orders differ'])
  const { reconciled } = voices.saidBy('R1') ?? {}
  assert.deepEqual([reconciled?.ok, reconciled?.detail], [false, '2 orders differ'])
  voices.close()
})

test('runs that ended while nobody told us are found out, and those not seen yet are left', () => {
  const { voices } = bench()
  assert.deepEqual(voices.missing(new Set()), [])
  voices.observe(view('ready'))
  assert.deepEqual(voices.missing(new Set()), ['R1'])
  assert.deepEqual(voices.missing(new Set(['R1'])), [])
  voices.close()
})
