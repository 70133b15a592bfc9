import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadLibc } from './libc.ts'
import { SystemdNotifier } from './systemd.ts'

const dir = mkdtempSync(join(tmpdir(), 'mark-systemd-'))
after(() => rmSync(dir, { recursive: true, force: true }))

test('a change of version is told with its time, and starts the watchdog anew', t => {
  const libc = loadLibc()
  if (libc === null) return t.skip('koffi is not here')
  const path = join(dir, 'notify')
  const fd = libc.bindDatagram(path, 0o600)
  const systemd = new SystemdNotifier(libc, { NOTIFY_SOCKET: path })
  const heard = (): string[] => libc.receive(fd)?.toString('utf8').split('\n') ?? []
  systemd.ready('keeps it')
  assert.deepEqual(heard(), ['READY=1', 'STATUS=keeps it'])
  systemd.reloading('changes')
  const [reloading, time, status, watchdog] = heard()
  assert.deepEqual([reloading, status, watchdog], ['RELOADING=1', 'STATUS=changes', 'WATCHDOG=1'])
  const agoUs = Number(process.hrtime.bigint() / 1000n) - Number(time?.replace('MONOTONIC_USEC=', ''))
  assert.ok(agoUs >= 0 && agoUs < 60_000_000, `${agoUs} us ago`)
  systemd.stopping()
  assert.deepEqual(heard(), ['STOPPING=1'])
  libc.close(fd)
})

test('without systemd nothing is said', () => {
  const systemd = new SystemdNotifier(loadLibc(), {})
  systemd.ready('x')
  systemd.reloading('y')
  systemd.stopping()
})
