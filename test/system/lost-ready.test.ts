/** A READY=1 said while no keeper lived: the run is as good as before, and must not be ended for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Seen } from '../chaos/observer.ts'
import { Fleet, until } from './fleet.ts'

/** `go` lets it say READY=1, once, to whoever listens; then it pings if asked to. */
const BOT = `import os, socket, sys, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text):
    try:
        sock.sendto(text, os.environ['NOTIFY_SOCKET'])
    except OSError:
        pass
while not os.path.exists('go'): time.sleep(0.02)
say(b'READY=1')
open('said-' + os.environ['MARK_MODULE'], 'w').close()
while True:
    if len(sys.argv) > 1: say(b'WATCHDOG=1')
    time.sleep(0.1)
`
const FLEET = `defaults: { ready: { notify: true, timeout: 5s }, stop: { grace: 2s } }
modules:
  pings: { command: [python3, bot.py, ping] }
  silent: { command: [python3, bot.py] }
`
const NAMES = ['pings', 'silent']

test('modules that became ready while all of MARK was gone are adopted and not restarted', async () => {
  const fleet = new Fleet(FLEET, NAMES)
  fleet.write('bot.py', BOT)
  try {
    const up = fleet.begin('up', '-d')
    const { waiting, keeper } = await until('both start, and a successor waits', 10_000, () => {
      const look = fleet.look()
      return look.keeperServes && look.waiting.length > 0 && Object.keys(fleet.pids()).length === 2 && look
    })
    const before = fleet.pids()
    up.child.kill('SIGKILL')
    for (const seen of [...waiting, keeper as Seen]) process.kill(seen.pid, 'SIGKILL')
    fleet.write('go', '')
    await until('both said READY=1', 5000, () => NAMES.every(name => fleet.has(`said-${name}`)))
    await fleet.mark('status')
    await until('the one that pings counts as ready', 10_000, async () => {
      return (await fleet.module('pings')).state === 'ready'
    })
    await until('the silent one is judged', 15_000, async () => {
      return (await fleet.module('silent')).state !== 'starting'
    })
    assert.deepEqual(fleet.pids(), before)
    assert.deepEqual(fleet.events('exited'), [])
  } finally {
    fleet.end()
  }
})
