/** Sockets of modules, with real connections: who is let in, what is answered, and when a socket is there. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Plan } from '../../core/plan.ts'
import type { KillView, ModuleView } from '../../core/view.ts'
import { systemClock } from '../../host/clock.ts'
import { loadLibc } from '../../host/libc.ts'
import { stateDirAt } from '../../host/state-dir.ts'
import { ModuleServers } from './module-servers.ts'
import { Pauses } from './pauses.ts'
import { Voices } from './voices.ts'

const libc = loadLibc()
const skip = libc ? false : 'there is no libc interface here'
const HELLO = '{"type":"hello","v":1}\n'
const HEARTBEAT = { timeoutMs: 15_000, maxDataAgeMs: null, expectState: null }

const planOf = (...names: string[]): Plan =>
  ({
    fleet: 'paper',
    groups: {},
    modules: names.map(name => ({ name, user: null, heartbeat: HEARTBEAT, ready: { kind: 'notify' } })),
  }) as unknown as Plan
const viewOf = (name: string, pid: number): ModuleView =>
  ({ name, state: 'ready', pid, run_id: `R-${name}`, spares: [] }) as unknown as ModuleView
const killOf = (level: KillView['level']): KillView => {
  return { id: 'K-1', level, scope: 'all', reason: 'test', by: 'ann', at: '', complete: false }
}

class Speaker {
  readonly socket: Socket
  readonly heard: { type: string; [key: string]: unknown }[] = []
  closed = false
  constructor(path: string) {
    this.socket = connect(path)
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closed = true
    })
    let rest = ''
    this.socket.on('data', data => {
      const lines = (rest + data.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.heard.push(JSON.parse(line))
    })
  }
}

async function until(what: string, found: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!found()) {
    if (performance.now() > deadline) assert.fail(`not within 10 s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

async function serving(
  work: (bench: {
    servers: ModuleServers
    voices: Voices
    events: string[]
    path: (module: string) => string
    reach: (module: string, text: string) => Speaker
  }) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'mark-mods-'))
  const state = stateDirAt(join(dir, '.mark'), dir)
  for (const name of ['vida', 'roko', 'link']) mkdirSync(join(dir, 'm', name), { recursive: true })
  const events: string[] = []
  const nothing = (): void => {}
  const voices = new Voices({
    clock: systemClock,
    tell: nothing,
    move: nothing,
    wasPaused: () => false,
    reconciled: nothing,
    changed: nothing,
  })
  const pauses = new Pauses({ state, say: nothing, wallMs: () => 0, killLevel: () => null, changed: nothing })
  const servers = new ModuleServers({
    state,
    clock: systemClock,
    libc,
    voices,
    pauses,
    say: nothing,
    refused: nothing,
    happened: (_module, runId, { kind, data }) => events.push(`${runId} ${kind} ${data.what}`),
  })
  const speakers: Speaker[] = []
  const path = (module: string): string => join(dir, 'm', module, 'mark.sock')
  try {
    voices.setPlan(planOf('vida', 'roko'))
    servers.setPlan(planOf('vida', 'roko'))
    await until('both are served', () => existsSync(path('vida')) && existsSync(path('roko')))
    await work({
      servers,
      voices,
      events,
      path,
      reach(module, text) {
        const speaker = new Speaker(path(module))
        speaker.socket.write(text)
        speakers.push(speaker)
        return speaker
      },
    })
  } finally {
    for (const { socket } of speakers) socket.destroy()
    servers.close()
    voices.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

test('a process of the run is welcomed, answered and heard; what it claims to be is not believed', {
  skip,
}, async () => {
  await serving(async ({ servers, voices, reach }) => {
    servers.observe(viewOf('vida', process.pid))
    const hello = '{"type":"hello","v":1,"run_id":"R-roko","pid":1}\n'
    const beat = '{"type":"heartbeat","seq":1,"state":"trading"}\n'
    const speaker = reach('vida', `${hello}{"type":"sing"}\n${beat}{"type":"ping","id":7}\n`)
    await until('it is answered', () => speaker.heard.length === 2)
    const [welcome, pong] = speaker.heard
    assert.deepEqual(
      [welcome?.type, welcome?.fleet, welcome?.module, welcome?.run_id, welcome?.halt],
      ['welcome', 'paper', 'vida', 'R-vida', null],
    )
    assert.deepEqual([pong?.type, pong?.id], ['pong', 7])
    assert.equal(voices.of('R-vida')?.tradingState, 'trading')
    assert.equal(voices.of('R-roko'), null)
  })
})

test('only a module of MARK itself has events journalled; whoever else tries is refused', {
  skip,
}, async () => {
  await serving(async ({ servers, events, path, reach }) => {
    servers.setPlan({ ...planOf('link', 'vida'), link: { broker: null, listen: null } })
    const event = '{"type":"event","kind":"link_client","data":{"what":"here"}}\n'
    servers.observe(viewOf('vida', process.pid))
    const stranger = reach('vida', HELLO + event)
    await until('it is closed', () => stranger.closed)
    servers.observe({ ...viewOf('vida', process.pid), pid: null, run_id: null })
    await until('its socket is there', () => {
      servers.observe(viewOf('link', process.pid))
      return existsSync(path('link'))
    })
    reach('link', HELLO + event)
    await until('it is heard', () => events.length === 1)
    assert.deepEqual(events, ['R-link link_client here'])
    assert.match(servers.notes().join(), /only MARK says/)
  })
})

test('a run that speaks before the keeper has shown it is let in as soon as it is known', {
  skip,
}, async () => {
  await serving(async ({ servers, reach }) => {
    const speaker = reach('vida', HELLO)
    await new Promise(resolve => setImmediate(resolve))
    servers.observe(viewOf('vida', process.pid))
    await until('it is welcomed', () => speaker.heard.length === 1)
  })
})

test('a process of another module, or of none, is refused and counted, and hears nothing', {
  skip,
}, async () => {
  await serving(async ({ servers, reach }) => {
    servers.observe(viewOf('roko', process.pid))
    const speaker = reach('vida', HELLO)
    await until('it is closed', () => speaker.closed)
    assert.deepEqual(speaker.heard, [])
    assert.match(servers.notes()[0] ?? '', /^1 refused at the socket of vida: process \d+ belongs to roko$/)
    servers.observe(viewOf('roko', 2 ** 22))
    const stranger = reach('roko', HELLO)
    await until('it is closed', () => stranger.closed)
    assert.match(servers.notes()[1] ?? '', /is no part of a run of it$/)
  })
})

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ['no hello first', '{"type":"ready"}\n', /no hello/],
  ['an unknown type first', '{"type":"sing"}\n', /no hello/],
  ['another version', '{"type":"hello","v":999}\n', /`hello` has no usable `v`/],
  ['no JSON', `${HELLO}{{{\n`, /no JSON/],
  ['a line of 64 KiB', `${HELLO}${'x'.repeat(65_536)}`, /too long/],
]
for (const [what, text, reason] of BROKEN) {
  test(`refused, with the reason, while others go on: ${what}`, { skip }, async () => {
    await serving(async ({ servers, reach }) => {
      servers.observe(viewOf('vida', process.pid))
      const good = reach('vida', HELLO)
      await until('the good one is welcomed', () => good.heard.length === 1)
      const bad = reach('vida', text)
      await until('the bad one is closed', () => bad.closed)
      assert.match(servers.notes()[0] ?? '', reason)
      good.socket.write('{"type":"ping","id":1}\n')
      await until('the good one is answered', () => good.heard.length === 2)
    })
  })
}

test('what a kill says is passed on once, level by level, and in the welcome', { skip }, async () => {
  await serving(async ({ servers, reach }) => {
    servers.observe(viewOf('vida', process.pid))
    const speaker = reach('vida', HELLO)
    await until('it is welcomed', () => speaker.heard.length === 1)
    for (const level of ['pause', 'pause', 'halt', 'flatten'] as const) servers.setKills([killOf(level)])
    servers.setKills([])
    await until('all is told', () => speaker.heard.length === 5)
    assert.deepEqual(
      speaker.heard.slice(1).map(({ type, level }) => [type, level]),
      [
        ['pause', undefined],
        ['halt', 'halt'],
        ['halt', 'flatten'],
        ['resume', undefined],
      ],
    )
    servers.setKills([killOf('pause')])
    const late = reach('vida', HELLO)
    await until('it is welcomed', () => late.heard.length === 1)
    assert.equal(late.heard[0]?.halt, 'pause')
  })
})

test('a socket goes with its module, and is made when its directory comes', { skip }, async () => {
  await serving(async ({ servers, path, reach }) => {
    servers.observe(viewOf('vida', process.pid))
    const speaker = reach('vida', HELLO)
    await until('it is welcomed', () => speaker.heard.length === 1)
    servers.setPlan(planOf('roko', 'luka'))
    await until('its socket is gone', () => speaker.closed && !existsSync(path('vida')))
    servers.observe(viewOf('luka', process.pid))
    mkdirSync(join(path('luka'), '..'))
    await until('the new one is there', () => existsSync(path('luka')))
  })
})
