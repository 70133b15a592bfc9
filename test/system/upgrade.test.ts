/**
 * `mark upgrade` end to end: the same process goes on as another version, and whatever is wrong with that
 * version costs nothing.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { KeeperClient } from '../../src/host/line-socket.ts'
import { isSame, type Seen } from '../chaos/observer.ts'
import { argvOf, statOf } from '../chaos/proc.ts'
import { Fleet, until } from './fleet.ts'
import { OtherVersion } from './other-version.ts'

const FLEET = `defaults:
  restart: { delay: 100ms, multiplier: 1, budget: [1000/1d] }
  ready: { delay: 50ms }
  stop: { grace: 2s }
modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sleep, "1000"], depends_on: [luka] }
`
const NAMES = ['luka', 'roko']
const OURS = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version
const NEXT = '99.1.0'
const KILLS = Number(process.env.MARK_UPGRADE_KILLS ?? 10)

/** The keeper, once it serves and exactly one successor waits. */
async function armed(fleet: Fleet): Promise<Seen> {
  return await until('a keeper serves and one successor waits', 10_000, () => {
    const look = fleet.look()
    return look.keeperServes && look.waiting.length === 1 && look.keeper
  })
}

async function withFleet(
  use: (fleet: Fleet, next: OtherVersion) => Promise<void>,
  config = FLEET,
): Promise<void> {
  const fleet = new Fleet(config, NAMES)
  try {
    await fleet.up()
    await armed(fleet)
    await use(fleet, new OtherVersion(join(fleet.dir, 'next'), NEXT))
  } finally {
    fleet.end()
  }
}

/** Nothing has changed: the same keeper of the same version, and MARK still restarts what dies. */
async function asBefore(fleet: Fleet, keeper: Seen, pids: Record<string, number[]>): Promise<void> {
  assert.deepEqual((await armed(fleet)).pid, keeper.pid)
  assert.equal((await fleet.status()).keeper?.version, OURS)
  assert.deepEqual(fleet.pids(), pids)
  await restarts(fleet, 'roko')
}

async function restarts(fleet: Fleet, module: string): Promise<void> {
  const pid = fleet.pids()[module]?.[0] as number
  process.kill(pid, 'SIGKILL')
  await until(`${module} is restarted`, 5_000, () => {
    const now = fleet.pids()[module]?.[0]
    return now !== undefined && now !== pid
  })
  const exit = fleet.events('exited', module).at(-1)
  assert.deepEqual([exit?.data.known, exit?.data.signal, exit?.data.pid], [true, 'SIGKILL', pid])
}

test('the same process goes on as the next version, with one successor and the modules it had', async () => {
  await withFleet(async (fleet, next) => {
    const keeper = await armed(fleet)
    const before = await fleet.status()
    const pids = fleet.pids()
    const proven = await next.expect(0, fleet, 'upgrade', '--check')
    assert.match(proven.stdout, /^99\.1\.0 can take over from /)
    const { stdout } = await next.expect(0, fleet, 'upgrade')
    assert.equal(stdout, `upgraded ${OURS} -> ${NEXT}: same keeper pid ${keeper.pid}, 2 modules untouched\n`)
    assert.deepEqual(fleet.pids(), pids)
    assert.equal((await armed(fleet)).pid, keeper.pid)
    const after = await fleet.status()
    assert.deepEqual([after.keeper?.pid, after.keeper?.version], [keeper.pid, NEXT])
    assert.notEqual(after.keeper?.started_at, before.keeper?.started_at)
    assert.equal(after.session_id, before.session_id)
    assert.deepEqual(
      fleet.events('upgraded').map(event => [event.data.from, event.data.to]),
      [[OURS, NEXT]],
    )
    await restarts(fleet, 'roko')
    assert.match((await next.expect(0, fleet, 'upgrade')).stderr, /already; nothing to do/)
    const roko = fleet.pids().roko
    next.edit('package.json', text => text.replace(NEXT, '99.2.0'))
    assert.match((await next.expect(0, fleet, 'upgrade')).stdout, /99\.1\.0 -> 99\.2\.0: same keeper/)
    assert.deepEqual([fleet.pids().luka, fleet.pids().roko], [pids.luka, roko])
    await next.expect(0, fleet, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
  })
})

test('what ends while the keeper is neither version has its true exit, and leaves no zombie', async () => {
  await withFleet(async (fleet, next) => {
    next.prelude(
      `if (process.argv.includes('--upgraded-from')) {
        writeFileSync('between', '')
        while (existsSync('between')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }`,
      "import { existsSync, writeFileSync } from 'node:fs'",
    )
    const keeper = await armed(fleet)
    const { luka, roko } = fleet.pids() as { luka: [number]; roko: [number] }
    const upgrading = next.expect(0, fleet, 'upgrade')
    await until('it is between the versions', 10_000, () => fleet.has('.mark/between'))
    assert.equal(fleet.look().waiting.length, 1, 'the successor of before is armed')
    process.kill(roko[0], 'SIGUSR1')
    await until('roko is dead', 5_000, () => statOf(roko[0])?.state === 'Z')
    rmSync(join(fleet.stateDir, 'between'))
    assert.match((await upgrading).stdout, /same keeper pid \d+, 1 module untouched.*: roko/)
    assert.equal((await armed(fleet)).pid, keeper.pid)
    const exits = fleet.events('exited').filter(event => event.module === 'roko')
    assert.deepEqual(
      exits.map(({ data }) => [data.known, data.signal, data.pid]),
      [[true, 'SIGUSR1', roko[0]]],
    )
    await until('nothing of it is left', 5_000, () => statOf(roko[0]) === null)
    await until('roko is back', 5_000, () => fleet.pids().roko)
    assert.deepEqual(fleet.pids().luka, luka)
  })
})

test('a keeper killed between the versions is succeeded by the version before', async () => {
  await withFleet(async (fleet, next) => {
    next.prelude(
      `if (process.argv.includes('--upgraded-from')) {
        writeFileSync('between', '')
        for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
      }`,
      "import { existsSync, writeFileSync } from 'node:fs'",
    )
    const keeper = await armed(fleet)
    const pids = fleet.pids()
    const upgrading = next.expect(1, fleet, 'upgrade')
    await until('it is between the versions', 10_000, () => fleet.has('.mark/between'))
    process.kill(keeper.pid, 'SIGKILL')
    assert.match((await upgrading).stderr, new RegExp(`MARK_FAILED.*${NEXT} did not come up; ${OURS} keeps`))
    assert.notEqual((await armed(fleet)).pid, keeper.pid)
    assert.deepEqual(fleet.pids(), pids)
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
  })
})

test(`a keeper killed at any instant of its change has one successor, ${KILLS} times`, async () => {
  await withFleet(async (fleet, next) => {
    const pids = fleet.pids()
    for (let round = 0; round < KILLS; round++) {
      const keeper = await armed(fleet)
      const upgrading = next.mark(fleet, 'upgrade', '--force')
      await until('the process is the next version', 20_000, () => {
        const argv = argvOf(keeper.pid)
        return argv.includes(next.keeperMain) && argv.includes('--upgraded-by')
      })
      const killMs = performance.now() + (round % 10) * 25
      while (performance.now() < killMs) await new Promise(setImmediate)
      if (isSame(statOf(keeper.pid), keeper)) process.kill(keeper.pid, 'SIGKILL')
      await upgrading
      assert.notEqual((await armed(fleet)).pid, keeper.pid)
      assert.deepEqual(fleet.pids(), pids)
    }
    assert.deepEqual(fleet.observer.doubled, [])
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
  })
})

test('a version that dies as soon as it is the keeper is succeeded by the version before', async () => {
  await withFleet(async (fleet, next) => {
    next.prelude(`if (!process.argv.includes('--probe')) process.exit(3)`)
    const keeper = await armed(fleet)
    const pids = fleet.pids()
    const { stderr } = await next.expect(1, fleet, 'upgrade')
    assert.match(stderr, /MARK_FAILED/)
    assert.notEqual((await armed(fleet)).pid, keeper.pid)
    assert.equal((await fleet.status()).keeper?.version, OURS)
    assert.deepEqual(fleet.pids(), pids)
    await restarts(fleet, 'roko')
  })
})

const BROKEN: readonly [string, RegExp, (next: OtherVersion) => void][] = [
  [
    'has a syntax error',
    /MARK_REFUSED\]: Version 99\.1\.0 cannot take over: its proof failed: \w*Error/,
    next => next.edit('src/keeper/engine.ts', text => `${text}\n}`),
  ],
  [
    'says something else',
    /MARK_REFUSED\].*it answered "hello"/,
    next => next.prelude("if (process.argv.includes('--probe')) { console.log('hello'); process.exit(0) }"),
  ],
  [
    'is another than it says',
    /MARK_REFUSED\].*it answered "ok 1\.2\.3"/,
    next =>
      next.prelude("if (process.argv.includes('--probe')) { console.log('ok 1.2.3'); process.exit(0) }"),
  ],
  [
    'has no koffi',
    /MARK_UNSUPPORTED\]: Version 99\.1\.0: koffi cannot be loaded/,
    next => rmSync(join(next.dir, 'node_modules', 'koffi')),
  ],
  ['does not answer', /MARK_REFUSED\].*it did not answer within 10 s/, next => next.prelude('for (;;) {}')],
  [
    'could be changed by anybody',
    /MARK_REFUSED\].*next\/src\/keeper\/main\.ts can be written by everybody/,
    next => chmodSync(next.keeperMain, 0o666),
  ],
]

for (const [what, says, break_] of BROKEN) {
  test(`a version that ${what} is refused with a sentence, and nothing changes`, async () => {
    await withFleet(async (fleet, next) => {
      break_(next)
      const keeper = await armed(fleet)
      const pids = fleet.pids()
      const { stderr } = await next.expect(5, fleet, 'upgrade')
      assert.match(stderr, says)
      await asBefore(fleet, keeper, pids)
    })
  })
}

test('a downgrade below the state on disk is refused, by --check too', async () => {
  await withFleet(async (fleet, next) => {
    const keeper = await armed(fleet)
    const pids = fleet.pids()
    const path = join(fleet.stateDir, 'plan.json')
    const plan = readFileSync(path, 'utf8')
    const body = plan.slice(plan.indexOf('\n') + 1)
    const proof = createHash('sha256').update(`mark2\n${body}`).digest('hex')
    writeFileSync(path, `mark2 ${proof} ${Buffer.byteLength(body)}\n${body}`)
    for (const words of [['upgrade', '--check'], ['upgrade']]) {
      const { stderr } = await next.expect(5, fleet, ...words)
      assert.match(stderr, /^error\[MARK_STATE_NEWER\]: \S*plan\.json was written by a later version of MARK/)
    }
    assert.equal(fleet.events('upgrade_refused').length, 1)
    assert.match(readFileSync(path, 'latin1'), /^mark2 /)
    writeFileSync(path, plan)
    await asBefore(fleet, keeper, pids)
  })
})

test('a program that cannot be executed after all costs nothing', async () => {
  await withFleet(async (fleet, next) => {
    const keeper = await armed(fleet)
    const pids = fleet.pids()
    const node = fleet.write('node', `#!/bin/sh\nchmod -x "$0"\necho ok ${NEXT}\n`, 0o755)
    const client = await KeeperClient.connect(join(fleet.stateDir, 'run', 'keeper.sock'), 2_000)
    try {
      await client.ask({ ask: 'upgrade', node, main: next.keeperMain, version: NEXT, by: 'test' })
      const refused = await until('it is refused', 5_000, () => fleet.events('upgrade_refused')[0])
      assert.match(String(refused.data.reason), /could not be started: .*EACCES/)
      await client.ask({ ask: 'ping' })
    } finally {
      client.close()
    }
    await asBefore(fleet, keeper, pids)
    await next.expect(0, fleet, 'upgrade')
    assert.equal((await armed(fleet)).pid, keeper.pid)
  })
})

test('a hook that runs is waited for', async () => {
  const config = FLEET.replace('luka: {', 'luka: { stop: { before: [sleep, "2"], grace: 2s },')
  await withFleet(async (fleet, next) => {
    const stopping = fleet.mark('stop', 'luka')
    await until('the hook runs', 5_000, () => fleet.events('stopping', 'luka').length > 0)
    await next.expect(0, fleet, 'upgrade')
    assert.equal((await stopping).code, 0)
    const hook = fleet.events('hook', 'luka').at(-1)
    assert.deepEqual([hook?.data.hook, hook?.data.ok], ['before', true])
    const order = fleet.events().filter(event => event.kind === 'hook' || event.kind === 'upgraded')
    assert.deepEqual(
      order.map(event => event.kind),
      ['hook', 'upgraded'],
    )
  }, config)
})

const UNABLE: readonly [string, RegExp, (old: OtherVersion) => void][] = [
  [
    'knows no upgrade in place',
    /is too old to be upgraded in place/,
    old => old.edit('src/contract/keeper.ts', text => text.replace(/^ {2}'upgrade',\n/m, '')),
  ],
  ['has no koffi', /koffi cannot be loaded/, old => rmSync(join(old.dir, 'node_modules', 'koffi'))],
]

for (const [what, says, disable] of UNABLE) {
  test(`a keeper that ${what}: what to do instead is said, and is right`, async () => {
    const fleet = new Fleet(FLEET, NAMES)
    try {
      const old = new OtherVersion(join(fleet.dir, 'old'), '0.0.9')
      disable(old)
      await old.expect(0, fleet, 'up', '-d')
      await armed(fleet)
      const pids = fleet.pids()
      const { code, stderr } = await fleet.mark('upgrade')
      assert.equal(code, 5)
      assert.match(stderr, says)
      const words = /^error\[MARK_UNSUPPORTED\].* `kill -KILL (\d+) (\d+); mark status`/.exec(stderr)
      assert.ok(words, stderr)
      for (const pid of words.slice(1)) process.kill(Number(pid), 'SIGKILL')
      await fleet.mark('status')
      await armed(fleet)
      assert.equal((await fleet.status()).keeper?.version, OURS)
      assert.deepEqual(fleet.pids(), pids)
    } finally {
      fleet.end()
    }
  })
}
