/**
 * The link of a real fleet whose broker is killed under traffic: each order is executed once, each message is
 * heard once and in order, and nobody without a password is heard. MARK_LINK_KILLS: how often it is killed.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

const KILLS = Number(process.env.MARK_LINK_KILLS ?? 5)
const EXCHANGE_KILLS = 5
const LINK_DIR = join(import.meta.dirname, '..', 'link')
const skip =
  spawnSync('mosquitto_pub', ['--help']).error === undefined ? false : 'mosquitto-clients is not installed'

const config = (grants = 'dani: [ticks/#, request/teea/order]', port = ''): string => `name: linked
link:
  publish: { ${grants} }
  subscribe: { teea: [ticks/#] }
${port}
modules:
  teea:
    command: [${process.execPath}, ${join(LINK_DIR, 'exchange.ts')}]
    ready: { notify: true }
    restart: { delay: 100ms, max_delay: 100ms }
  dani: { command: [${process.execPath}, ${join(LINK_DIR, 'trader.ts')}], depends_on: [teea] }
`

interface Done {
  readonly ticks: number
  readonly orders: number
  /** Orders that were answered with a value. */
  readonly values: readonly number[]
  readonly outcomes: Readonly<Record<string, number>>
  readonly dropped: number
}

const linesOf = (fleet: Fleet, name: string): number[] =>
  fleet.read(name).split('\n').filter(Boolean).map(Number)

/** Every other time before the new broker lets anything pass. */
async function killBroker(fleet: Fleet, kill: number, before: number | null): Promise<number> {
  const pid = await until('the broker is there again', 20_000, () => {
    const found = fleet.pids().link?.[0]
    return found !== undefined && found !== before && found
  })
  const isReady = (): boolean => fleet.events('ready', 'link').length > kill
  await until('it is ready', 20_000, isReady)
  const executed = linesOf(fleet, 'executed.txt').length
  if (kill % 2 === 0)
    await until('orders flow', 20_000, () => linesOf(fleet, 'executed.txt').length > executed)
  process.kill(pid, 'SIGKILL')
  return pid
}

test(`a broker killed ${KILLS} times under traffic loses nothing and doubles nothing`, { skip }, async () => {
  const fleet = new Fleet(config(), ['link', 'teea', 'dani'])
  try {
    await fleet.up()
    let pid: number | null = null
    for (let kill = 0; kill < KILLS; kill++) pid = await killBroker(fleet, kill, pid)
    await until('traffic flows again', 20_000, () => fleet.events('ready', 'link').length > KILLS)
    fleet.write('stop', '')
    await until('all orders have an outcome', 90_000, () => fleet.has('done.json'))
    const done = JSON.parse(fleet.read('done.json')) as Done
    await until('the last tick came', 20_000, () => linesOf(fleet, 'heard.txt').at(-1) === done.ticks)
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)
    const executed = linesOf(fleet, 'executed.txt').sort((a, b) => a - b)
    console.log(
      `${KILLS} kills: ${done.ticks} messages, ${done.orders} orders, ${JSON.stringify(done.outcomes)}`,
    )
    assert.deepEqual(done.outcomes, { value: done.orders })
    assert.deepEqual(executed, numbers(done.orders), 'each order once')
    assert.deepEqual(linesOf(fleet, 'heard.txt'), numbers(done.ticks), 'each message once and in order')
    assert.equal(done.dropped, 0)
    assert.equal(fleet.events('exited', 'link').length, KILLS)
  } finally {
    fleet.end()
  }
})

test('who executes orders is killed while it does: none is executed twice, and none is called refused', {
  skip,
}, async () => {
  const fleet = new Fleet(config(), ['link', 'teea', 'dani'])
  try {
    await fleet.up()
    let pid: number | undefined
    for (let kill = 0; kill < EXCHANGE_KILLS; kill++) {
      const before = linesOf(fleet, 'executed.txt').length
      await until('orders flow', 30_000, () => linesOf(fleet, 'executed.txt').length > before + 5)
      pid = await until('it is there', 30_000, () => {
        const found = fleet.pids().teea?.[0]
        return found !== undefined && found !== pid && found
      })
      process.kill(pid, 'SIGKILL')
    }
    const before = linesOf(fleet, 'executed.txt').length
    await until('orders flow again', 30_000, () => linesOf(fleet, 'executed.txt').length > before)
    fleet.write('stop', '')
    await until('all orders have an outcome', 90_000, () => fleet.has('done.json'))
    const done = JSON.parse(fleet.read('done.json')) as Done
    const executed = linesOf(fleet, 'executed.txt')
    console.log(`${EXCHANGE_KILLS} kills: ${done.orders} orders, ${JSON.stringify(done.outcomes)}`)
    assert.equal(new Set(executed).size, executed.length, 'none twice')
    assert.deepEqual(
      done.values.filter(n => !executed.includes(n)),
      [],
      'what has a value was executed',
    )
    const unknown = Object.entries(done.outcomes).filter(([outcome]) => outcome !== 'value')
    assert.ok(
      unknown.every(([outcome]) => outcome.startsWith('RequestUnknown')),
      JSON.stringify(unknown),
    )
  } finally {
    fleet.end()
  }
})

test('a wrong password is not heard and told; a change of link: restarts the broker alone', {
  skip,
}, async () => {
  const fleet = new Fleet(config(), ['link', 'teea', 'dani'])
  try {
    await fleet.up()
    const socket = join(fleet.stateDir, 'run', 'link.sock')
    const forged = ['--unix', socket, '-u', 'dani', '-P', 'wrong', '-t', 'ticks/a', '-m', '-1', '-q', '1']
    assert.notEqual(spawnSync('mosquitto_pub', forged).status, 0)
    const refused = await until('it is told', 20_000, () => fleet.events('link_refused', 'link')[0])
    assert.match(JSON.stringify(refused), /wrong name or password/)
    await until('clients are told', 20_000, () => fleet.events('link_client', 'link').length >= 2)
    const { stdout } = await fleet.expect(0, 'events')
    assert.match(stdout, /link_refused: dani: connection: wrong name or password/)
    assert.match(stdout, /link_client: teea here/)
    assert.ok(!linesOf(fleet, 'heard.txt').includes(-1))

    assert.equal(statSync(join(fleet.stateDir, 'link.key')).mode & 0o777, 0o600)
    assert.doesNotMatch(readFileSync(join(fleet.stateDir, 'plan.json'), 'utf8'), /PASSWORD/)

    const before = fleet.pids()
    fleet.write('mark.yaml', config('dani: [ticks/#, signals/#, request/teea/order]'))
    const plan = await fleet.expect(0, 'plan')
    assert.match(plan.stdout, /restart +link/)
    await fleet.up()
    await until('only the broker is new', 20_000, () => {
      const now = fleet.pids()
      const isNew = now.link?.[0] !== undefined && now.link[0] !== before.link?.[0]
      return isNew && now.teea?.[0] === before.teea?.[0] && now.dani?.[0] === before.dani?.[0]
    })
    const heard = linesOf(fleet, 'heard.txt').length
    await until('traffic flows on', 20_000, () => linesOf(fleet, 'heard.txt').length > heard)
  } finally {
    fleet.end()
  }
})
