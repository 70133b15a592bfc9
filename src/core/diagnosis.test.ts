import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diagnose, type Facts } from './diagnosis.ts'

const GOOD: Facts = {
  kernel: '6.18.4',
  nodeVersion: '26.10.0',
  pinned: true,
  libcLoads: true,
  pidfd: true,
  flockNoFork: true,
  setpriv: '/usr/bin/setpriv',
  cgroup: 'v2',
  limits: ['memory', 'cpus', 'pids'],
  fileSystem: 'ext4',
  freeBytes: 1e12,
  inotifyInstances: 128,
  inotifyWatches: 100_000,
  openFiles: 65_536,
  systemd: true,
  clockSynchronized: true,
  container: null,
  init: 'systemd',
  mayTrace: true,
  tasks: null,
  root: true,
  unsafe: null,
}

function verdict(check: string, facts: Partial<Facts>): string | undefined {
  return diagnose({ ...GOOD, ...facts }).find(finding => finding.check === check)?.verdict
}

test('a good host is ok in everything', () => {
  assert.deepEqual(
    diagnose(GOOD).filter(finding => finding.verdict !== 'ok'),
    [],
  )
})

test('what MARK cannot do without is missing', () => {
  assert.equal(verdict('kernel', { kernel: '5.10.0-amd64' }), 'missing')
  assert.equal(verdict('flock', { flockNoFork: null }), 'missing')
  assert.equal(verdict('flock', { flockNoFork: false }), 'missing')
  assert.equal(verdict('file system', { fileSystem: 'nfs' }), 'missing')
  assert.equal(verdict('permissions', { unsafe: 'x is writable by others' }), 'missing')
  assert.equal(verdict('node', { nodeVersion: '22.1.0' }), 'missing')
})

test('what it can live without is degraded, with a sentence', () => {
  for (const [check, facts] of [
    ['kernel', { kernel: '5.14.0' }],
    ['koffi', { libcLoads: false }],
    ['limits', { cgroup: 'none', limits: [] }],
    ['logs', { fileSystem: 'nfs' }],
    ['clock', { clockSynchronized: null }],
    ['systemd', { systemd: false }],
    ['open files', { openFiles: 1024 }],
  ] as const) {
    assert.equal(verdict(check, facts), 'degraded', check)
  }
})

test('in a container it is said what a container lacks, and nothing of it elsewhere', () => {
  const docker = { container: 'docker', init: 'node', systemd: false } as const
  assert.equal(verdict('process 1', docker), 'ok')
  assert.equal(verdict('process 1', { ...docker, init: 'sh' }), 'degraded')
  assert.equal(verdict('ptrace', { ...docker, mayTrace: false }), 'degraded')
  assert.equal(verdict('ptrace', { ...docker, mayTrace: false, root: false }), undefined)
  assert.equal(verdict('tasks', { ...docker, tasks: 64 }), 'degraded')
  assert.equal(verdict('systemd', docker), undefined)
  assert.equal(verdict('process 1', { mayTrace: false, tasks: 10 }), undefined)
})
