/**
 * MARK as process 1: signals, zombies, the death of the keeper and its own, how it ends and with what status.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { isLive, statOf } from '../chaos/proc.ts'
import { ContainerProcess, whyNoProcessOne } from './container-process.ts'
import { BIN, cleanEnv, Fleet, until } from './fleet.ts'

const why = whyNoProcessOne()
const skip = why === null ? false : `SKIPPED: ${why}`

const DEFAULTS = `defaults:
  restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }
  ready: { delay: 50ms }
  stop: { grace: 30s }
`
const FLEET = `${DEFAULTS}modules:
  luka: { command: [sleep, "1000"] }
  roko:
    command: [sh, -c, 'while :; do (setsid sh -c "sleep 0.05" &) ; sleep 0.1; done']
    depends_on: [luka]
`
const STEADY = `${DEFAULTS}modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sleep, "1000"], depends_on: [luka] }
`
const DEAF = `${DEFAULTS}modules:
  luka: { command: [sh, -c, 'trap "sleep 0.5; echo saved; exit 0" TERM; while :; do sleep 0.1; done'] }
  roko: { command: [sh, -c, 'trap "" TERM; while :; do sleep 0.1; done'], depends_on: [luka] }
  dabi: { command: [sh, -c, 'trap "" TERM; while :; do sleep 0.1; done'], depends_on: [roko] }
`

async function asProcessOne(
  config: string,
  act: (fleet: Fleet, container: ContainerProcess) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const fleet = new Fleet(config, ['luka', 'roko', 'dabi'])
  const container = new ContainerProcess(fleet, ['up'], { env })
  try {
    await act(fleet, container)
  } finally {
    container.end()
    await container.ended
    fleet.end()
  }
}

function zombies(container: ContainerProcess): number[] {
  return container
    .children()
    .filter(stat => stat.state === 'Z')
    .map(stat => stat.pid)
}

async function ready(fleet: Fleet, count: number): Promise<void> {
  await until('all are ready', 15_000, () => fleet.events('ready').length >= count)
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
  test(`${signal} to process 1 is \`down\`: in order, and the container ends with 0`, { skip }, async () => {
    await asProcessOne(FLEET, async (fleet, container) => {
      await ready(fleet, 2)
      const began = performance.now()
      container.signal(signal)
      assert.equal((await container.ended).code, 0, container.said)
      assert.ok(performance.now() - began < 5000, 'long before any grace')
      const exits = fleet.events('exited').filter(event => event.module !== '@daemon')
      assert.deepEqual(
        exits.map(event => [event.module, event.data.asked]),
        [
          ['roko', true],
          ['luka', true],
        ],
      )
    })
  })
}

test('a deaf module has its share of MARK_STOP_TIMEOUT, and those behind it keep theirs', {
  skip,
}, async () => {
  const act = async (fleet: Fleet, container: ContainerProcess): Promise<void> => {
    await ready(fleet, 3)
    const began = performance.now()
    container.signal('SIGTERM')
    assert.equal((await container.ended).code, 0, container.said)
    const took = performance.now() - began
    assert.ok(took < 4500, `${took} ms`)
    const exits = fleet.events('exited').filter(event => event.module !== '@daemon')
    assert.deepEqual(
      exits.map(event => [event.module, event.data.signal ?? event.data.code]),
      [
        ['dabi', 'SIGKILL'],
        ['roko', 'SIGKILL'],
        ['luka', 0],
      ],
    )
    assert.match(fleet.read('.mark/logs/luka.log'), /saved/)
  }
  await asProcessOne(DEAF, act, { MARK_STOP_TIMEOUT: '4s' })
})

test('a second signal ends all grace', { skip }, async () => {
  await asProcessOne(DEAF, async (fleet, container) => {
    await ready(fleet, 3)
    container.signal('SIGTERM')
    await container.says(/dabi +\S+ stopping/)
    const began = performance.now()
    container.signal('SIGTERM')
    assert.equal((await container.ended).code, 0, container.said)
    assert.ok(performance.now() - began < 2000, container.said)
  })
})

test('process 1 survives its keeper, reaps for everybody, and SIGHUP changes nothing', { skip }, async () => {
  await asProcessOne(FLEET, async (fleet, container) => {
    await ready(fleet, 2)
    // As MARK has them: numbers of the container, which are other processes out here.
    const pids = async (): Promise<(number | null)[]> =>
      (await fleet.status()).modules.map(module => module.pid)
    const before = await pids()
    for (let round = 0; round < 3; round++) {
      const keeper = await until('a keeper serves', 10_000, () => {
        const look = fleet.look()
        return look.keeperServes && look.waiting.length > 0 && look.keeper
      })
      process.kill(keeper.pid, 'SIGKILL')
      await until('a successor serves', 10_000, () => {
        const look = fleet.look()
        return look.keeperServes && look.keeper?.pid !== keeper.pid
      })
    }
    container.signal('SIGHUP')
    await container.says(/SIGHUP: there is nothing to detach from/)
    assert.deepEqual(await pids(), before)
    // roko makes ten orphans a second, which come to process 1 now.
    const seen = await until('an orphan ended', 5000, () => zombies(container)[0])
    await until('it is reaped', 2000, () => !zombies(container).includes(seen))
    process.kill(fleet.pids().luka?.[0] as number, 'SIGKILL')
    const exit = await until(
      'the end of an adopted run is told',
      5000,
      () => fleet.events('exited', 'luka')[0],
    )
    assert.deepEqual([exit.data.known, exit.data.signal], [true, 'SIGKILL'])
    await until('it is back', 5000, async () => {
      const [luka] = await pids()
      return luka !== null && luka !== before[0]
    })
    container.signal('SIGTERM')
    assert.equal((await container.ended).code, 0, container.said)
  })
})

test('kill -9 of process 1 is the end of all; the next container starts each module once', {
  skip,
}, async () => {
  await asProcessOne(STEADY, async (fleet, container) => {
    await ready(fleet, 2)
    const pids = Object.values(fleet.pids()).flat()
    container.signal('SIGKILL')
    await container.ended
    await until('nothing lives', 3000, () => pids.every(pid => !isLive(statOf(pid))))
    const again = new ContainerProcess(fleet, ['up'])
    try {
      await ready(fleet, 4)
      assert.deepEqual(fleet.observer.doubled, [])
      const exits = fleet.events('exited').filter(event => event.module !== '@daemon')
      assert.deepEqual(
        exits.map(event => [event.data.known, event.data.code]),
        [
          [false, null],
          [false, null],
        ],
      )
      again.signal('SIGTERM')
      assert.equal((await again.ended).code, 0, again.said)
    } finally {
      again.end()
      await again.ended
    }
  })
})

test('a fleet that is over ends its container: 0 when all is completed, 1 when something failed', {
  skip,
}, async () => {
  const tasks = 'modules: { once: { kind: task, command: [sh, -c, "echo did it"] } }\n'
  await asProcessOne(tasks, async (_fleet, container) => {
    assert.equal((await container.ended).code, 0, container.said)
    assert.match(container.said, /did it/)
  })
  const fails =
    'modules: { bad: { command: [sh, -c, "exit 78"] }, next: { command: [sleep, "9"], depends_on: [bad] } }\n'
  await asProcessOne(fails, async (_fleet, container) => {
    assert.equal((await container.ended).code, 1, container.said)
    assert.match(container.said, /nothing runs any more: bad failed/)
  })
})

test('as process 1, `up -d` and a MARK_STOP_TIMEOUT that is none are refused', { skip }, async () => {
  const fleet = new Fleet(FLEET)
  try {
    const detached = new ContainerProcess(fleet, ['up', '-d'])
    assert.equal((await detached.ended).code, 2)
    assert.match(detached.said, /error\[MARK_USAGE\].*would end this container/)
    const wrong = new ContainerProcess(fleet, ['up'], { env: { MARK_STOP_TIMEOUT: 'soon' } })
    assert.equal((await wrong.ended).code, 2)
    assert.match(wrong.said, /MARK_STOP_TIMEOUT is "soon"/)
    assert.equal(fleet.has('.mark/plan.json'), false)
  } finally {
    fleet.end()
  }
})

test('MARK_STOP_TIMEOUT makes the command that began the fleet its keeper, and no other', async () => {
  const fleet = new Fleet(FLEET, ['luka', 'roko'])
  const follow = (): { said: () => string; end: (signal: NodeJS.Signals) => Promise<number | null> } => {
    const options = { cwd: fleet.dir, env: cleanEnv({ MARK_STOP_TIMEOUT: '3s' }) }
    const child = spawn(BIN, ['up'], { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', text => {
      said += text
    })
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    const end = async (signal: NodeJS.Signals): Promise<number | null> => {
      child.kill(signal)
      return await ended
    }
    return { said: () => said, end }
  }
  try {
    const keeps = follow()
    await ready(fleet, 2)
    const joins = follow()
    await until('it follows', 10_000, () => /following the logs/.test(joins.said()))
    assert.equal(await joins.end('SIGINT'), 0)
    assert.match(joins.said(), /detached: the fleet runs on/)
    assert.equal((await fleet.status()).state, 'up')
    assert.equal(await keeps.end('SIGTERM'), 0)
    assert.match(keeps.said(), /stopping the fleet within 3s/)
    assert.deepEqual(fleet.observer.everything(), [])
  } finally {
    fleet.end()
  }
})
