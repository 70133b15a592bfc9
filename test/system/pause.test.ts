/** `mark pause`, `mark resume` and a kill of level pause: who hears is told, who cannot is named. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'
import { botModule, NODE_BOT, PYTHON_BOT } from './sdk-bots.ts'

const CONFIG = `defaults: { restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }, stop: { grace: 2s } }
modules:
${botModule('py', 'python', '    heartbeat: { expect_state: trading }\n')}
${botModule('ts', 'node', '')}
  deaf: { command: [sleep, "9999"], ready: { delay: 1ms } }
`

async function withFleet(work: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = new Fleet(CONFIG, ['py', 'ts', 'deaf'])
  fleet.write('bot.py', PYTHON_BOT)
  fleet.write('bot.ts', NODE_BOT)
  try {
    await fleet.up()
    for (const name of ['py', 'ts']) {
      await until('it trades', 20_000, async () => (await fleet.module(name)).trading_state === 'trading')
    }
    await work(fleet)
  } finally {
    fleet.end()
  }
}

const count = (fleet: Fleet, name: string, what: string): number =>
  fleet.read(`.mark/logs/${name}.log`).split(what).length - 1

test('a pause is told, shown, kept over daemon and run, and ends only with resume', async () => {
  await withFleet(async fleet => {
    const refused = await fleet.expect(5, 'pause', 'py', 'ts', 'deaf', '--reason', 'a look')
    assert.match(refused.stderr, /deaf cannot be told to pause.*hint: /)
    for (const name of ['py', 'ts']) {
      await until('it is told', 10_000, () => count(fleet, name, 'told pause') === 1)
      assert.equal(fleet.read(`.mark/halt/${name}`).trim(), 'pause')
    }
    assert.match((await fleet.module('py')).reason, /^paused by .*: a look$/)
    assert.equal(fleet.events('paused', 'py')[0]?.data.reason, 'a look')

    fleet.write('py.stopped', '')
    process.kill((await fleet.status()).daemon?.pid as number, 'SIGKILL')
    await until('the next daemon knows of the pause', 20_000, async () => {
      const { reason, trading_state, health } = await fleet.module('py')
      return trading_state === 'stopped' && health !== 'stale' && reason.startsWith('paused by')
    })
    await fleet.expect(0, 'restart', 'ts')
    await until('the next run is told too', 20_000, () => count(fleet, 'ts', 'told pause') === 2)
    assert.equal(count(fleet, 'py', 'told resume'), 0)
    assert.equal(fleet.events('stale', 'py').length, 0, 'nothing is held against it')

    await until('the daemon hears it again', 10_000, async () => {
      return (await fleet.mark('resume', 'py', 'ts')).code === 0
    })
    for (const name of ['py', 'ts']) {
      await until('it is told', 10_000, () => count(fleet, name, 'told resume') === 1)
      assert.equal(fleet.has(`.mark/halt/${name}`), false)
    }
    assert.match((await fleet.expect(0, 'resume', 'py')).stderr, /py was not paused/)
  })
})

test('a kill of level pause tells who hears and names who cannot, with and without the keeper', async t => {
  await withFleet(async fleet => {
    const told = await fleet.expect(1, 'kill', '--level', 'pause', '--reason', 'a look')
    t.diagnostic(told.stdout)
    assert.match(told.stdout, /told to pause: (py, ts|ts, py); could not be told: deaf/)
    assert.match(told.stdout, /KILL INCOMPLETE: could not be told: deaf;/)
    await until('both are told', 10_000, () =>
      ['py', 'ts'].every(name => count(fleet, name, 'told pause') === 1),
    )
    const [kill] = (await fleet.status()).kills
    await fleet.expect(0, 'pause', 'py')
    await fleet.expect(0, 'kill', 'release', kill?.id as string, '--reason', 'seen')
    await until('one is told', 10_000, () => count(fleet, 'ts', 'told resume') === 1)
    assert.equal(count(fleet, 'py', 'told resume'), 0, 'an operator paused it besides')
    await fleet.expect(0, 'resume', 'py')
    await until('the other is told', 10_000, () => count(fleet, 'py', 'told resume') === 1)

    const keeper = (await fleet.status()).keeper?.pid as number
    process.kill(keeper, 'SIGSTOP')
    try {
      const alone = await fleet.expect(0, 'kill', 'py', '--level', 'pause')
      assert.match(alone.stdout, /the keeper does not answer.*\ntold to pause: py \(/)
      await until('its SDK reads it', 10_000, () => count(fleet, 'py', 'told pause') === 2)
    } finally {
      process.kill(keeper, 'SIGCONT')
    }
  })
})
