import assert from 'node:assert/strict'
import { test } from 'node:test'
import { containerRole, nameOfInit } from './init-role.ts'

test('process 1 is what its container lives by', () => {
  assert.deepEqual(
    containerRole({ pid: 1, ppid: 0, named: false }, () => null),
    { isInit: true, certain: true },
  )
})

test('so is the one child of a bare init, but not a child of the init of a host', () => {
  const child = { pid: 7, ppid: 1, named: false }
  for (const init of ['docker-init', 'tini', 'catatonit', 'dumb-init'])
    assert.deepEqual(
      containerRole(child, () => init),
      { isInit: false, certain: true },
    )
  for (const init of ['systemd', 'init', 'sh', null])
    assert.equal(
      containerRole(child, () => init),
      null,
    )
})

test('whoever sets MARK_STOP_TIMEOUT says so', () => {
  assert.deepEqual(
    containerRole({ pid: 9, ppid: 8, named: true }, () => 'pause'),
    { isInit: false, certain: false },
  )
  assert.equal(
    containerRole({ pid: 9, ppid: 8, named: false }, () => 'tini'),
    null,
  )
})

test('process 1 of this host has a name', () => assert.notEqual(nameOfInit(), ''))
