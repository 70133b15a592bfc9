import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemdUnit, unitName, unitServes } from './systemd-unit.ts'

const GIVEN = {
  fleet: 'sipa',
  scope: 'system',
  account: null,
  flock: '/usr/bin/flock',
  lock: '/srv/sipa/.mark/keeper.lock',
  keeper: ['/opt/node', '/opt/keeper/main.js', '--state-dir', '/srv/sipa/.mark'],
  mark: ['/opt/bin/mark', '--state-dir', '/srv/sipa/.mark'],
  directory: '/srv/sipa',
  path: '/usr/bin:/bin',
  stopMs: 90_000,
  subgroup: false,
} as const

test('the unit has every directive that keeps modules alive while MARK is replaced', () => {
  const unit = systemdUnit(GIVEN)
  for (const line of [
    'Type=notify',
    'KillMode=process',
    'Restart=always',
    'RestartSec=0',
    'StartLimitIntervalSec=0',
    'Delegate=yes',
    'OOMPolicy=continue',
    'WatchdogSignal=SIGKILL',
    'TimeoutStopSec=150',
    'ExecStop=/opt/bin/mark --state-dir /srv/sipa/.mark down',
    'WantedBy=multi-user.target',
  ]) {
    assert.ok(unit.split('\n').includes(line), line)
  }
  assert.match(
    unit,
    /^ExecStart=\/usr\/bin\/flock -F -n -E 75 \/srv\/sipa\/\.mark\/keeper\.lock \/opt\/node /m,
  )
  assert.match(unit, /^WatchdogSec=/m)
  assert.doesNotMatch(unit, /MemoryDenyWriteExecute|^User=/m)
})

test('a user unit starts with the user and an account runs a system unit', () => {
  assert.match(systemdUnit({ ...GIVEN, scope: 'user' }), /^WantedBy=default\.target$/m)
  assert.match(systemdUnit({ ...GIVEN, account: 'trader' }), /^User=trader$/m)
  assert.equal(unitName('sipa'), 'mark-sipa.service')
})

test('blanks, quotes, percent and dollar signs in a path reach the program unchanged', () => {
  const unit = systemdUnit({ ...GIVEN, lock: '/my "fleet"/100%/$HOME/lock' })
  assert.ok(unit.includes('"/my \\"fleet\\"/100%%/$$HOME/lock"'))
})

test('a unit is known by the lock it starts the keeper under, not by the name of the fleet', () => {
  for (const lock of ['/srv/sipa/.mark/keeper.lock', '/my "fleet"/100%/$HOME/keeper.lock']) {
    const unit = systemdUnit({ ...GIVEN, lock })
    assert.equal(unitServes(unit, lock), true)
    assert.equal(unitServes(unit, lock.slice(1)), false)
    assert.equal(unitServes(unit, `/elsewhere${lock}`), false)
  }
})

test('where systemd knows subgroups, the keeper gets one, so that limits work below the unit', () => {
  assert.equal(systemdUnit(GIVEN).includes('DelegateSubgroup'), false)
  assert.match(systemdUnit({ ...GIVEN, subgroup: true }), /^Delegate=yes\nDelegateSubgroup=mark-keeper$/m)
})
