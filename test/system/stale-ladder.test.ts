/** A module that is alive and of no use: how soon it is told, and how the ladder is climbed and left. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'
import { botModule, NODE_BOT, PYTHON_BOT } from './sdk-bots.ts'

const MAX_AGE_MS = 2000
const CONFIG = `defaults: { restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }, stop: { grace: 2s } }
modules:
${botModule('plain', 'python', '    heartbeat: { max_data_age: 2s, expect_state: trading }\n')}
${botModule(
  'climber',
  'node',
  `    heartbeat: { max_data_age: 2s, ladder: { pause: 1s, recover: 3s, restart: 9s } }
    recover: { command: [touch, recovered] }
`,
)}`

async function withFleet(work: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = new Fleet(CONFIG, ['plain', 'climber'])
  fleet.write('bot.py', PYTHON_BOT)
  fleet.write('bot.ts', NODE_BOT)
  try {
    await fleet.up()
    await work(fleet)
  } finally {
    fleet.end()
  }
}

const log = (fleet: Fleet, name: string): string => fleet.read(`.mark/logs/${name}.log`)
const kinds = (fleet: Fleet, name: string): string[] => fleet.events(undefined, name).map(event => event.kind)
const isWell = async (fleet: Fleet, name: string): Promise<boolean> =>
  (await fleet.module(name)).health === 'healthy'

test('a frozen feed and a stopped state are told with an alert, and end nothing by default', async t => {
  await withFleet(async fleet => {
    await until('it trades', 20_000, () => isWell(fleet, 'plain'))
    const { run_id } = await fleet.module('plain')
    const waitFor = async (kind: string, count: number): Promise<number> => {
      const event = await until(`${kind} ${count}`, 20_000, () => fleet.events(kind, 'plain')[count - 1])
      return Date.parse(event.at)
    }

    const frozen = Date.now()
    fleet.write('plain.frozen', '')
    const toldMs = (await waitFor('stale', 1)) - frozen
    t.diagnostic(`frozen feed: stale after ${toldMs} ms, its max_data_age is ${MAX_AGE_MS} ms`)
    assert.ok(toldMs <= MAX_AGE_MS + 1000, `${toldMs} ms`)
    assert.match(String(fleet.events('alert', 'plain')[0]?.data.reason), /^no data of BTC for /)
    rmSync(join(fleet.dir, 'plain.frozen'))
    await waitFor('fresh', 1)

    const stopped = Date.now()
    fleet.write('plain.stopped', '')
    await waitFor('alert', 2)
    const alertMs = Date.parse(fleet.events('alert', 'plain')[1]?.at as string) - stopped
    t.diagnostic(`state stopped in a live process: alert after ${alertMs} ms`)
    assert.ok(alertMs <= 5000, `${alertMs} ms`)
    rmSync(join(fleet.dir, 'plain.stopped'))
    await waitFor('fresh', 2)
    assert.equal((await fleet.module('plain')).run_id, run_id)
    assert.doesNotMatch(log(fleet, 'plain'), /told pause/)
  })
})

test('pause, recover, restart in turn, over a killed daemon, and anew for the next run', async t => {
  await withFleet(async fleet => {
    await until('it trades', 20_000, () => isWell(fleet, 'climber'))
    const first = (await fleet.module('climber')).run_id

    fleet.write('climber.frozen', '')
    await until('it is told to pause', 20_000, () => log(fleet, 'climber').includes('told pause:'))
    assert.equal(fleet.read('.mark/halt/climber').trim(), 'pause')
    process.kill((await fleet.status()).daemon?.pid as number, 'SIGKILL')
    await until('the next daemon sees it stale', 20_000, async () => {
      const view = await fleet.module('climber')
      return view.trading_state === 'trading' && view.health === 'stale'
    })
    rmSync(join(fleet.dir, 'climber.frozen'))
    await until('the pause is taken back', 20_000, () => log(fleet, 'climber').includes('told resume'))
    await until('its halt file is gone', 20_000, () => !fleet.has('.mark/halt/climber'))
    assert.equal(log(fleet, 'climber').split('told pause').length, 2, 'paused once, in spite of the daemon')

    const from = fleet.events().at(-1)?.seq as number
    fleet.write('climber.frozen', '')
    await until('it is restarted', 40_000, async () => {
      const { run_id, state } = await fleet.module('climber')
      return run_id !== null && run_id !== first && state === 'ready'
    })
    rmSync(join(fleet.dir, 'climber.frozen'))
    const after = fleet.events(undefined, 'climber').filter(event => event.seq > from)
    const seen = after.map(event => event.kind).filter(kind => /stale|paused|hook|exited|resumed/.test(kind))
    t.diagnostic(after.map(event => `${event.kind} ${event.data.reason ?? ''}`).join(' | '))
    assert.deepEqual(seen.slice(0, 4), ['stale', 'paused', 'hook', 'exited'])
    assert.ok(fleet.has('recovered'))
    assert.equal(fleet.events('started', 'climber').at(-1)?.data.start_reason, 'health')
    await until('the next run is no longer paused', 20_000, () => !fleet.has('.mark/halt/climber'))
    await until('and is well', 20_000, () => isWell(fleet, 'climber'))
    assert.equal(kinds(fleet, 'plain').includes('stale'), false)
  })
})
