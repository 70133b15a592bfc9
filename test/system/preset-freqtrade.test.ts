/**
 * The preset freqtrade with a program that behaves as Freqtrade does: refused for real money before anything
 * is touched, ready by what its configuration has, STOPPED while it lives is seen, ended within its grace.
 */
import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

const QUICK = 'health: { interval: 100ms, start_period: 0s }'

/** A fleet of one bot; `more` are keys of the module beside the preset. */
function fleetOf(more = ''): Fleet {
  const fleet = new Fleet(
    `modules:
  bot:
    preset: freqtrade
    command: [python3, freqtrade.py, trade, -c, config.json]
    ${QUICK}
    restart: { delay: 100ms, budget: [2/1m], when_spent: hold }
${more}`,
    ['bot'],
  )
  cpSync(join(import.meta.dirname, 'freqtrade.py'), join(fleet.dir, 'freqtrade.py'))
  return fleet
}

const written = (fleet: Fleet, config: object): string =>
  fleet.write('config.json', `{ // of the bot\n${JSON.stringify(config).slice(1)}`)

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  await new Promise(done => server.close(done))
  return port
}

test('a bot for real money is refused in TEST with exit 5, and what runs stays untouched', async () => {
  const fleet = fleetOf()
  try {
    written(fleet, { dry_run: false })
    const first = await fleet.expect(5, 'up', '-d')
    assert.match(first.stderr, /MARK_REAL_MONEY.*config\.json:2:1/)
    assert.ok(!fleet.has('.mark/events.journal'))
    written(fleet, { dry_run: true })
    await fleet.up()
    const { bot } = fleet.pids()
    written(fleet, { dry_run: false })
    for (const verb of [['up', '-d'], ['plan'], ['check']]) await fleet.expect(5, ...verb)
    assert.deepEqual(fleet.pids().bot, bot)
    // Edited after it was allowed, then run anew: the variable still makes it a dry run.
    await fleet.expect(0, 'restart', 'bot')
    await until(
      'it says what it is',
      10_000,
      () => fleet.read('.mark/logs/bot.log').split('dry_run=').length > 2,
    )
    assert.ok(!fleet.read('.mark/logs/bot.log').includes('dry_run=False'))
  } finally {
    fleet.end()
  }
})

test('sd_notify makes it ready; STOPPED while it lives is unhealthy, told, and not restarted', async () => {
  const fleet = fleetOf()
  try {
    written(fleet, { dry_run: true, internals: { sd_notify: true } })
    await fleet.up()
    assert.equal(fleet.events('ready', 'bot')[0]?.data.by, 'notify')
    await until('it is healthy', 20_000, async () => (await fleet.module('bot')).health === 'healthy')
    const { bot } = fleet.pids()
    fleet.write('fatal', '')
    await until('it is unhealthy', 20_000, async () => (await fleet.module('bot')).health === 'unhealthy')
    assert.match(String(fleet.events('unhealthy', 'bot')[0]?.data.reason), /state='STOPPED'/)
    assert.deepEqual(fleet.pids().bot, bot)
  } finally {
    fleet.end()
  }
})

test('its REST server makes it ready, at the address that its configuration gives', async () => {
  const fleet = fleetOf()
  try {
    const listen_port = await freePort()
    const api_server = { enabled: true, listen_ip_address: '127.0.0.1', listen_port }
    written(fleet, { dry_run: true, api_server })
    await fleet.up()
    assert.equal(fleet.events('ready', 'bot')[0]?.data.by, 'answered 200')
    await until('it is healthy', 20_000, async () => (await fleet.module('bot')).health === 'healthy')
  } finally {
    fleet.end()
  }
})

test('its log makes it ready, SIGTERM ends it, and one that hangs is killed after its grace', async () => {
  const fleet = fleetOf('    stop: { grace: 1s }\n')
  try {
    written(fleet, { dry_run: true })
    await fleet.up()
    assert.equal(fleet.events('ready', 'bot')[0]?.data.by, 'its log says so')
    await fleet.expect(0, 'stop', 'bot')
    assert.match(fleet.read('.mark/logs/bot.log'), /SIGINT received, aborting/)
    assert.equal(fleet.events('exited', 'bot')[0]?.data.code, 0)
    fleet.write('hang', '')
    await fleet.expect(0, 'start', 'bot')
    await until('it is ready', 20_000, async () => (await fleet.module('bot')).state === 'ready')
    await fleet.expect(0, 'stop', 'bot')
    assert.equal(fleet.events('exited', 'bot')[1]?.data.signal, 'SIGKILL')
  } finally {
    fleet.end()
  }
})

test('a crash keeps its traceback in the dossier', async () => {
  const fleet = fleetOf()
  try {
    written(fleet, { dry_run: true })
    await fleet.up()
    fleet.write('crash', '')
    const told = await until('the traceback is kept', 20_000, async () => {
      const { stdout } = await fleet.mark('describe', 'bot')
      return stdout.includes('RuntimeError: binance GET /exchangeInfo') && stdout
    })
    assert.match(told, /traceback/)
  } finally {
    fleet.end()
  }
})
