/**
 * The daemon dies again and again under modules of both SDKs that beat five times a second: none of them
 * blocks, throws, ends or loses what it keeps. MARK_DAEMON_KILLS says how often.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModuleRecord } from '../../src/contract/api.ts'
import { Fleet, until } from './fleet.ts'
import { botModule, NODE_BOT, PYTHON_BOT } from './sdk-bots.ts'

const KILLS = Number(process.env.MARK_DAEMON_KILLS ?? 5)
const NAMES = ['py', 'ts'] as const
const CONFIG = `defaults:
  heartbeat: { max_data_age: 10s, expect_state: trading, ladder: { pause: 30s, restart: 60s } }
modules:
${botModule('py', 'python', '')}
${botModule('ts', 'node', '')}`

const log = (fleet: Fleet, name: string): string => fleet.read(`.mark/logs/${name}.log`)
const begins = (fleet: Fleet, name: string): number[] =>
  [...log(fleet, name).matchAll(/begins with (\d+)/g)].map(found => Number(found[1]))
const worstMs = (fleet: Fleet, name: string): number =>
  Math.max(...[...log(fleet, name).matchAll(/worst ([\d.]+)/g)].map(found => Number(found[1])))

async function daemonPid(fleet: Fleet): Promise<number | null> {
  return (await fleet.status()).daemon?.pid ?? null
}

/** How often its loop went round, by its own metric. */
async function loopsOf(fleet: Fleet, name: string): Promise<number> {
  return await until(`the metric of ${name}`, 30_000, async () => {
    const { stdout } = await fleet.mark('describe', name, '--json')
    const { said } = JSON.parse(stdout) as Pick<ModuleRecord, 'said'>
    return said?.metrics.find(metric => metric.name === 'loops')?.value
  })
}

test(`the daemon is killed ${KILLS} times, and no module notices`, async t => {
  const fleet = new Fleet(CONFIG, NAMES)
  fleet.write('bot.py', PYTHON_BOT)
  fleet.write('bot.ts', NODE_BOT)
  const began = performance.now()
  try {
    await fleet.up()
    const runs = await Promise.all(NAMES.map(async name => (await fleet.module(name)).run_id))
    let killed: number | null = null
    for (let round = 0; round < KILLS; round++) {
      const pid = await until('the next daemon', 60_000, async () => {
        const now = await daemonPid(fleet)
        return now !== killed && now
      })
      // Every other one lives until it hears both; the others die as soon as they are seen.
      if (round % 2 === 0) {
        for (const name of NAMES) {
          await until(`${name} is heard`, 60_000, async () => {
            return (await fleet.module(name)).trading_state === 'trading'
          })
        }
      }
      process.kill(pid, 'SIGKILL')
      killed = pid
    }
    const loops = await Promise.all(NAMES.map(name => loopsOf(fleet, name)))
    const tookS = (performance.now() - began) / 1000
    for (const [index, name] of NAMES.entries()) {
      t.diagnostic(
        `${name}: ${loops[index]} beats in ${tookS.toFixed(0)} s with ${KILLS} daemons killed, ` +
          `longest call ${worstMs(fleet, name)} ms`,
      )
      assert.equal((await fleet.module(name)).run_id, runs[index], 'the same run')
      assert.equal(fleet.events('exited', name).length, 0)
      assert.doesNotMatch(log(fleet, name), /threw|told pause|Traceback|Error/)
      assert.ok((loops[index] as number) > KILLS)
    }
    await fleet.expect(0, 'restart', ...NAMES)
    for (const [index, name] of NAMES.entries()) {
      const from = await until('it begins again', 20_000, () => begins(fleet, name)[1])
      assert.ok(from >= (loops[index] as number), `${name} begins with ${from}, it had ${loops[index]}`)
    }
  } finally {
    fleet.end()
  }
})
