/** A daemon that hangs (SIGSTOP): modules restart all the same, and nobody who sends to MARK ever waits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

const SENDERS = 20
/** `npm run chaos -- --hang 300` lets the same last five minutes. */
const HANG_MS = Number(process.env.MARK_HANG_S ?? 10) * 1000

/**
 * Sends WATCHDOG=1 ten times a second over a blocking socket and writes down the longest that a send took.
 */
const SENDER = `import os, socket, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ['NOTIFY_SOCKET'])
sock.send(b'READY=1')
worst, count = 0.0, 0
while True:
    began = time.monotonic()
    sock.send(b'WATCHDOG=1')
    worst, count = max(worst, time.monotonic() - began), count + 1
    with open('waits-' + os.environ['MARK_MODULE'] + '.tmp', 'w') as file:
        file.write(f'{worst * 1000:.3f} {count} {os.getpid()}')
    os.replace(file.name, file.name[:-4])
    time.sleep(0.1)
`

test('modules restart while the daemon hangs, and 20 senders of WATCHDOG=1 never wait 50 ms', async () => {
  const names = Array.from({ length: SENDERS }, (_, index) => `s${index}`)
  const lines = names.map(
    name => `  ${name}: { command: [python3, sender.py], ready: notify, heartbeat: { timeout: 5s } }`,
  )
  const fleet = new Fleet(
    `defaults: { restart: { delay: 100ms, max_delay: 100ms }, stop: { grace: 2s } }
modules:
${lines.join('\n')}
  bot: { command: [sleep, "1000"], ready: { delay: 50ms } }
`,
    [...names, 'bot'],
  )
  fleet.write('sender.py', SENDER)
  try {
    await fleet.up()
    const daemon = await until('the daemon lives', 5000, () => fleet.look().daemon)
    process.kill(daemon.pid, 'SIGSTOP')
    const began = performance.now()
    const before = fleet.pids()
    let restarts = 0
    let pid = before.bot?.[0] as number
    await until('the time is over', HANG_MS + 20_000, async () => {
      process.kill(pid, 'SIGKILL')
      const old = pid
      pid = await until('bot is back', 3000, () => fleet.pids().bot?.find(found => found !== old))
      restarts++
      return performance.now() - began >= HANG_MS
    })
    assert.ok(restarts >= 10, `only ${restarts} restarts in ${HANG_MS} ms`)
    const waits = names.map(name => fleet.read(`waits-${name}`).split(' ').map(Number))
    for (const [index, [worstMs, count, sender]] of waits.entries()) {
      assert.equal(sender, before[`s${index}`]?.[0], 'no sender was restarted')
      assert.ok((worstMs as number) < 50, `s${index} waited ${worstMs} ms`)
      assert.ok((count as number) >= HANG_MS / 200, `s${index} sent only ${count}`)
    }
    process.kill(daemon.pid, 'SIGCONT')
    assert.deepEqual(fleet.events('unhealthy'), [])
  } finally {
    fleet.end()
  }
})
