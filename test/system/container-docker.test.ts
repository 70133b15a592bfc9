/**
 * MARK in real containers of a real engine: stop, kill, restart, other inits, other users, read-only roots,
 * few processes, few capabilities.
 */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { StatusDocument } from '../../src/core/view.ts'
import { ContainerEngine } from './container-engine.ts'
import { Fleet, until } from './fleet.ts'

const why = ContainerEngine.whyNot()
const skip = why === null ? false : `SKIPPED: ${why}`
let engine: ContainerEngine

const FLEET = `defaults:
  restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }
  ready: { delay: 50ms }
  stop: { grace: 30s }
modules:
  luka: { command: [sh, -c, 'trap "echo saved; exit 0" TERM; while :; do sleep 0.1; done'] }
  roko:
    command: [sh, -c, 'while :; do (setsid sh -c "sleep 0.05" &) ; sleep 0.1; done']
    depends_on: [luka]
`
const STATE = ['-e', 'MARK_STATE_DIR=/data/state'] as const

if (why === null) {
  before(async () => {
    engine = new ContainerEngine()
    await engine.begin()
  })
  after(async () => await engine.end())
}

/** A fleet, and a volume for its state. */
async function withFleet(
  config: string,
  act: (fleet: Fleet, volume: string) => Promise<void>,
): Promise<void> {
  const fleet = new Fleet(config)
  chmodSync(fleet.dir, 0o755) // other users live in there
  const volume = join(fleet.dir, 'volume')
  mkdirSync(volume)
  try {
    await act(fleet, volume)
  } finally {
    fleet.end()
  }
}

async function statusOf(name: string): Promise<StatusDocument | null> {
  const { stdout } = await engine.mark(name, 'status', '--json')
  return stdout === '' ? null : (JSON.parse(stdout) as StatusDocument)
}

async function isUp(name: string): Promise<StatusDocument> {
  return await until(`the fleet is up: ${await engine.said(name)}`, 20_000, async () => {
    const document = await statusOf(name)
    return document?.state === 'up' && document
  })
}

async function stopsWell(name: string): Promise<void> {
  const { tookMs } = await engine.docker('stop', name)
  const said = await engine.said(name)
  assert.equal(await engine.exitCode(name), 0, said)
  assert.ok(tookMs < 9000, `${tookMs} ms`)
  assert.match(said, /roko +\S+ stopped.*[\s\S]*luka +\S+ stopped[\s\S]*all is down/)
}

test('docker stop: the modules stop in order, and the container ends with 0', { skip }, async t => {
  await withFleet(FLEET, async fleet => {
    const name = await engine.up(fleet.dir)
    await isUp(name)
    const began = performance.now()
    await stopsWell(name)
    t.diagnostic(`docker stop took ${Math.round(performance.now() - began)} ms`)
    assert.match(fleet.read('.mark/logs/luka.log'), /saved/)
  })
})

test('docker kill and start: the state is recovered, each module runs once', { skip }, async () => {
  await withFleet(FLEET, async fleet => {
    const name = await engine.up(fleet.dir)
    await isUp(name)
    assert.equal((await engine.mark(name, 'stop', 'roko')).code, 0)
    await engine.docker('kill', '-s', 'KILL', name)
    assert.equal(await engine.exitCode(name), 137)
    await engine.docker('start', name)
    const document = await until('luka is ready', 20_000, async () => {
      const found = await statusOf(name)
      return found?.modules[0]?.state === 'ready' && found
    })
    assert.deepEqual(
      document.modules.map(module => [module.name, module.state, module.last_exit?.known]),
      [
        ['luka', 'ready', false],
        ['roko', 'stopped', true],
      ],
      'what an operator stopped stays so; how luka ended nobody saw',
    )
    // Between fork and exec a shell's own child looks like it; a second run would stay.
    await until('one luka runs', 5_000, async () => {
      const shells = (await engine.processes(name)).filter(line => line.includes('trap'))
      return shells.length === 1
    })
    await engine.docker('stop', name)
    assert.equal(await engine.exitCode(name), 0)
  })
})

test('docker run --init: stop means stop there too, also after a crash of the container', {
  skip,
}, async () => {
  await withFleet(FLEET, async fleet => {
    const name = await engine.up(fleet.dir, '--init')
    await isUp(name)
    await engine.docker('kill', '-s', 'KILL', name)
    await engine.docker('start', name)
    await isUp(name)
    await stopsWell(name)
  })
})

test('a zombie of nobody lives shorter than two seconds, with the keeper killed too', { skip }, async () => {
  await withFleet(FLEET, async fleet => {
    const name = await engine.up(fleet.dir)
    await isUp(name)
    const keeper = (await engine.processes(name)).find(
      line => /node .*keeper\/main/.test(line) && !/flock/.test(line),
    )
    process.kill(Number.parseInt(keeper ?? '', 10), 'SIGKILL')
    await isUp(name)
    const zombies = async (): Promise<string[]> =>
      (await engine.processes(name))
        .filter(line => /^\s*\d+\s+Z/.test(line))
        .map(line => line.trim().split(' ')[0] ?? '')
    const seen = await until('an orphan ended', 10_000, async () => (await zombies())[0])
    await until('it is reaped', 2000, async () => !(await zombies()).includes(seen))
    await stopsWell(name)
  })
})

for (const [what, options, owner] of [
  ['another user', ['--user', '1000:1000'], 1000],
  ['a read-only root', ['--read-only'], 0],
  ['a read-only root and another user', ['--read-only', '--user', '1000:1000'], 1000],
  ['64 tasks', ['--pids-limit', '64'], 0],
  ['no capability', ['--cap-drop', 'ALL'], 0],
] as const) {
  test(`${what}: up, status, stop`, { skip }, async () => {
    await withFleet(FLEET, async (fleet, volume) => {
      chownSync(volume, owner, owner)
      const name = await engine.up(fleet.dir, '-v', `${volume}:/data`, ...STATE, ...options)
      await isUp(name)
      await stopsWell(name)
      assert.ok(existsSync(join(volume, 'state', 'events.journal')))
    })
  })
}

test('a module of another user, adopted, without CAP_SYS_PTRACE: its exit is not invented', {
  skip,
}, async () => {
  const config = `defaults: { ready: { delay: 50ms }, restart: { policy: never } }
modules:
  luka: { command: [sh, -c, 'while [ ! -e go ]; do sleep 0.1; done; exit 7'], user: bot }
  stays: { command: [sleep, "1000"] }
`
  await withFleet(config, async fleet => {
    const name = await engine.up(fleet.dir)
    await isUp(name)
    const keeper = (await engine.processes(name)).find(
      line => /node .*keeper\/main/.test(line) && !/flock/.test(line),
    )
    process.kill(Number.parseInt(keeper ?? '', 10), 'SIGKILL')
    await isUp(name)
    fleet.write('go', '')
    const exit = await until('luka ended', 10_000, () => fleet.events('exited', 'luka')[0])
    assert.deepEqual([exit.data.code, exit.data.signal], exit.data.known ? [7, null] : [null, null])
  })
})

test('two containers on one state directory: the second is refused and touches nothing', {
  skip,
}, async () => {
  await withFleet(FLEET, async (fleet, volume) => {
    const first = await engine.up(fleet.dir, '-v', `${volume}:/data`, ...STATE)
    const { modules } = await isUp(first)
    const second = await engine.up(fleet.dir, '-v', `${volume}:/data`, ...STATE)
    await engine.docker('wait', second)
    assert.equal(await engine.exitCode(second), 5)
    assert.match(await engine.said(second), /MARK_LOCK_HELD.*another container/)
    const after = (await isUp(first)).modules
    assert.deepEqual(
      after.map(module => module.pid),
      modules.map(module => module.pid),
    )
    await stopsWell(first)
  })
})
