/**
 * `mark install` under a real systemd: the unit starts the fleet, its keeper is replaced without a module
 * noticing, stop and start go through MARK, and uninstalling leaves what runs alone.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Seen } from '../chaos/observer.ts'
import { argvOf } from '../chaos/proc.ts'
import { BIN, type Ended, Fleet, until } from './fleet.ts'
import { SystemdMachine } from './systemd-machine.ts'

const UNIT = 'mark-proof.service'
const NAMES = ['luka', 'roko']
const WATCHDOG_S = 3

/** roko takes its time to stop, so that who does not wait for it is seen. */
function config(seconds: number): string {
  return `name: proof
defaults: { ready: { delay: 50ms }, stop: { grace: 2s } }
modules:
  luka: { command: [sleep, "${seconds}"] }
  roko:
    command: [sh, -c, "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done", roko, "${seconds}"]
    depends_on: [luka]
`
}

const whyNot = SystemdMachine.whyNot()

describe('mark install under a real systemd', { skip: whyNot ?? false }, () => {
  let fleet: Fleet
  let machine: SystemdMachine

  before(async () => {
    fleet = new Fleet(config(1000), NAMES)
    machine = new SystemdMachine(join(fleet.dir, 'units'))
    await machine.booted()
  })

  after(async () => {
    await machine.end()
    fleet.end()
  })

  async function succeed(...argv: readonly string[]): Promise<Ended> {
    const ended = await machine.run(...argv)
    const said = `${argv.join(' ')}: ${ended.stdout}${ended.stderr}\n${machine.log}`
    assert.equal(ended.code, 0, said)
    return ended
  }

  const markIn = (dir: string, ...words: readonly string[]): readonly string[] => [
    'env',
    '-C',
    dir,
    BIN,
    ...words,
  ]

  /** Both modules run, and the unit's main process is the one keeper, with nobody waiting to succeed it. */
  async function kept(): Promise<{ keeper: Seen; pids: Record<string, number[]> }> {
    const keeper = await until('a keeper serves and both modules run', 10_000, () => {
      const look = fleet.look()
      const all = NAMES.every(name => look.modules.get(name)?.length === 1)
      return all && look.keeperServes && look.keeper
    })
    await until('the unit is active', 5_000, async () => (await state()) === 'active')
    const marks = fleet.observer.everything().filter(seen => /keeper|waiting/.test(seen.role))
    assert.deepEqual(
      marks.map(seen => [seen.role, seen.pid]),
      [['keeper', keeper.pid]],
    )
    assert.equal(await machine.property(UNIT, 'MainPID'), innerPid(keeper.pid))
    return { keeper, pids: fleet.pids() }
  }

  const state = (): Promise<string> => machine.property(UNIT, 'ActiveState')

  async function allGone(): Promise<void> {
    assert.deepEqual(fleet.observer.everything(), [])
    await until('the unit is inactive', 5_000, async () => (await state()) === 'inactive')
  }

  async function replaced(keeper: Seen, withinMs: number): Promise<void> {
    await until('another keeper serves', withinMs, () => {
      const look = fleet.look()
      return look.keeperServes && look.keeper?.pid !== keeper.pid
    })
  }

  test('install writes a unit that systemd finds no fault with, and enables it', async () => {
    await succeed(...markIn(fleet.dir, 'install', '--system'))
    const verdict = await succeed('systemd-analyze', 'verify', join('/etc/systemd/system', UNIT))
    assert.equal(verdict.stdout + verdict.stderr, '')
    assert.equal((await machine.run('systemctl', 'is-enabled', UNIT)).stdout, 'enabled\n')
    assert.deepEqual(fleet.observer.everything(), [], 'installing starts nothing')
  })

  test('a fleet of the same name elsewhere does not get this unit', async () => {
    const other = new Fleet(config(1000))
    try {
      const ours = readFileSync(join(machine.units, UNIT), 'utf8')
      for (const verb of ['install', 'uninstall']) {
        const refused = await machine.run(...markIn(other.dir, verb, '--system'))
        assert.match(refused.stderr, /MARK_REFUSED/)
        assert.equal(refused.code, 5)
      }
      assert.equal(readFileSync(join(machine.units, UNIT), 'utf8'), ours)
    } finally {
      other.end()
    }
  })

  test('it brings up a fleet that was never up, and feeds the watchdog', async () => {
    await succeed('mkdir', '-p', `/etc/systemd/system/${UNIT}.d`)
    writeFileSync(join(machine.units, `${UNIT}.d`, 'short.conf'), `[Service]\nWatchdogSec=${WATCHDOG_S}\n`)
    await succeed('systemctl', 'daemon-reload')
    await succeed('systemctl', 'start', UNIT)
    const readyMs = performance.now()
    const { keeper, pids } = await kept()
    assert.equal(await machine.property(UNIT, 'WatchdogUSec'), `${WATCHDOG_S}s`)
    const deadlineMs = readyMs + WATCHDOG_S * 1500
    await until('the watchdog would have bitten', WATCHDOG_S * 3000, () => performance.now() > deadlineMs)
    assert.deepEqual(await kept(), { keeper: { ...keeper, lastMs: fleet.look().keeper?.lastMs }, pids })
    assert.equal(await machine.property(UNIT, 'NRestarts'), '0')
  })

  test('systemd replaces a keeper that was killed, and one that hangs: no module notices', async () => {
    const first = await kept()
    process.kill(first.keeper.pid, 'SIGKILL')
    await replaced(first.keeper, 5_000)
    const second = await kept()
    assert.deepEqual(second.pids, first.pids)
    process.kill(second.keeper.pid, 'SIGSTOP')
    await replaced(second.keeper, WATCHDOG_S * 1000 + 5_000)
    assert.deepEqual((await kept()).pids, first.pids)
    assert.equal(await machine.property(UNIT, 'NRestarts'), '2')
    assert.deepEqual(
      fleet.events('exited').filter(event => event.module !== '@daemon'),
      [],
    )
  })

  test('systemctl stop stops the modules in order, and start brings them up in order', async () => {
    await succeed('systemctl', 'stop', UNIT)
    await allGone()
    assert.equal(await machine.property(UNIT, 'Result'), 'success')
    const ends = fleet.events().filter(event => /^(stopping|exited)$/.test(event.kind))
    assert.deepEqual(
      ends.filter(event => event.module !== '@daemon').map(event => [event.kind, event.module]),
      [
        ['stopping', 'roko'],
        ['exited', 'roko'],
        ['stopping', 'luka'],
        ['exited', 'luka'],
      ],
    )
    const exited = fleet.events('exited').filter(event => event.module !== '@daemon')
    assert.deepEqual(
      exited.map(event => event.data.code ?? event.data.signal),
      [0, 'SIGTERM'],
    )
    await succeed('systemctl', 'start', UNIT)
    await kept()
    const started = fleet.events('started').filter(event => event.module !== '@daemon')
    assert.deepEqual(
      started.map(event => event.module),
      ['luka', 'roko', 'luka', 'roko'],
    )
  })

  test('after `mark down` systemd leaves it down; `mark up` starts the unit, with the new plan', async () => {
    await succeed(...markIn(fleet.dir, 'down'))
    await allGone()
    fleet.write('mark.yaml', config(1001))
    const already = fleet.events('started').length
    await succeed(...markIn(fleet.dir, 'up', '-d'))
    const { pids } = await kept()
    for (const name of NAMES) assert.equal(argvOf(pids[name]?.[0] as number).at(-1), '1001')
    const started = fleet.events('started').slice(already)
    assert.deepEqual(
      started.map(event => event.module).filter(name => name !== '@daemon'),
      NAMES,
      'the plan of before was not started first',
    )
  })

  test('uninstall while it runs: a keeper with a successor takes over, and no module notices', async () => {
    const { keeper, pids } = await kept()
    await succeed(...markIn(fleet.dir, 'uninstall', '--system'))
    assert.equal(existsSync(join(machine.units, UNIT)), false)
    assert.equal(await machine.property(UNIT, 'LoadState'), 'not-found')
    const look = await until('a successor waits', 5_000, () => {
      const seen = fleet.look()
      return seen.keeperServes && seen.waiting.length === 1 && seen
    })
    assert.notEqual(look.keeper?.pid, keeper.pid)
    assert.deepEqual(fleet.pids(), pids)
    assert.equal((await machine.run(...markIn(fleet.dir, 'uninstall', '--system'))).code, 3)
    await succeed(...markIn(fleet.dir, 'down'))
    assert.deepEqual(fleet.observer.everything(), [])
  })
})

/** The pid that this process has in there. */
function innerPid(pid: number): string {
  return /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
}
