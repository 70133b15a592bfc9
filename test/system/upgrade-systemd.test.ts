/**
 * `mark upgrade` of a fleet under a real systemd: the unit's main process stays, systemd restarts nothing,
 * and goes on to guard what is there now.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'
import { OtherVersion } from './other-version.ts'
import { SystemdMachine } from './systemd-machine.ts'

const UNIT = 'mark-proof.service'
const NAMES = ['luka', 'roko']
const CONFIG = `name: proof
defaults: { ready: { delay: 50ms }, stop: { grace: 2s } }
modules:
  luka: { command: [sleep, "1000"] }
  roko: { command: [sleep, "1000"], depends_on: [luka] }
`
const whyNot = SystemdMachine.whyNot()

test('an installed fleet is upgraded in place, under its watchdog', { skip: whyNot ?? false }, async () => {
  const fleet = new Fleet(CONFIG, NAMES)
  const machine = new SystemdMachine(join(fleet.dir, 'units'))
  const run = async (...argv: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await machine.run(...argv)
    assert.equal(code, 0, `${argv.join(' ')}: ${stdout}${stderr}\n${machine.log}`)
    return stdout + stderr
  }
  try {
    await machine.booted()
    const [first, second] = ['98.0.0', '99.0.0'].map(name => new OtherVersion(join(fleet.dir, name), name))
    const mark = (version: OtherVersion | undefined, ...words: readonly string[]): Promise<string> =>
      run('env', '-C', fleet.dir, version?.bin as string, ...words)
    await mark(first, 'install', '--system')
    writeFileSync(
      join(machine.units, UNIT),
      readFileSync(join(machine.units, UNIT), 'utf8').replace(/^WatchdogSec=.*$/m, 'WatchdogSec=3'),
    )
    await run('systemctl', 'daemon-reload')
    await run('systemctl', 'start', UNIT)
    const serves = async (): Promise<number> =>
      (
        await until('a keeper serves and both modules run', 10_000, () => {
          const look = fleet.look()
          return NAMES.every(name => look.modules.get(name)?.length === 1) && look.keeperServes && look.keeper
        })
      ).pid
    const pid = await serves()
    const pids = fleet.pids()
    const mainPid = await machine.property(UNIT, 'MainPID')
    const said = await mark(second, 'upgrade')
    assert.match(said, /^upgraded 98\.0\.0 -> 99\.0\.0: same keeper pid \d+, 2 modules untouched$/m)
    assert.match(said, /still names the version before: run `mark install`/)
    const deadlineMs = performance.now() + 4_500
    await until('the watchdog would have bitten', 9_000, () => performance.now() > deadlineMs)
    assert.equal(await serves(), pid)
    assert.deepEqual(fleet.pids(), pids)
    assert.deepEqual(
      [
        await machine.property(UNIT, 'MainPID'),
        await machine.property(UNIT, 'NRestarts'),
        await machine.property(UNIT, 'ActiveState'),
      ],
      [mainPid, '0', 'active'],
    )
    assert.equal(fleet.look().waiting.length, 0, 'systemd is the successor')
    process.kill(pid, 'SIGKILL')
    await until('systemd starts the keeper anew', 5_000, () => {
      const look = fleet.look()
      return look.keeperServes && look.keeper?.pid !== pid
    })
    assert.deepEqual(fleet.pids(), pids)
    await run('systemctl', 'stop', UNIT)
    assert.deepEqual(fleet.observer.everything(), [])
  } finally {
    await machine.end()
    fleet.end()
  }
})
