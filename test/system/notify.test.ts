/**
 * sd_notify, spoken by the real systemd-notify and by Python's socket module: each word does what it says.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

const NO_BINARY = ((): string | false => {
  try {
    execFileSync('systemd-notify', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no systemd-notify here'
  }
})()

const DEFAULTS =
  'defaults: { restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }, stop: { grace: 2s } }'

test('systemd-notify: READY, STATUS, WATCHDOG and its own barrier are answered', {
  skip: NO_BINARY,
}, async () => {
  const fleet = new Fleet(
    `${DEFAULTS}
modules:
  bot: { command: [sh, bot.sh], ready: { notify: true, timeout: 20s }, heartbeat: { timeout: 3s } }
`,
    ['bot'],
  )
  // Without --no-block systemd-notify sends BARRIER=1 with a descriptor and waits until it is closed.
  fleet.write(
    'bot.sh',
    `trap 'exit 0' TERM
systemd-notify --ready --status="warming up" && echo "ready $?"
systemd-notify WATCHDOG=1 && echo "pinged $?"
systemd-notify --status="trading BTC/EUR" && echo "said $?"
while [ ! -e stop-pinging ]; do systemd-notify WATCHDOG=1; sleep 0.2; done
sleep 1000 & wait
`,
  )
  try {
    await fleet.up()
    const ready = await until('its STATUS is its reason', 10_000, async () => {
      const module = await fleet.module('bot')
      return module.reason === 'trading BTC/EUR' && module
    })
    assert.equal(ready.state, 'ready')
    assert.equal(fleet.events('ready', 'bot')[0]?.data.by, 'notify')
    assert.equal(fleet.read('.mark/logs/bot.log'), 'ready 0\npinged 0\nsaid 0\n')
    const pid = fleet.pids().bot?.[0]
    fleet.write('stop-pinging', '')
    await until('silence is found out and it runs anew', 20_000, () => {
      const now = fleet.pids().bot?.[0]
      return now !== undefined && now !== pid
    })
    assert.equal(fleet.events('unhealthy', 'bot').length, 1)
  } finally {
    fleet.end()
  }
})

/** Runs what stands in `do.py` steps, one a line, and writes down what each took. */
const SPEAKER = `import array, os, select, socket, time
path = os.environ['NOTIFY_SOCKET']
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect('\\0' + path[1:] if path[0] == '@' else path)
def say(text):
    sock.send(text.encode())
def barrier(seconds):
    """As sd_notify_barrier: the far end of a pipe is sent along, and its closing is the answer."""
    near, far = os.pipe()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [far]))]
    sock.sendmsg([b'BARRIER=1'], rights)
    os.close(far)
    poller = select.poll()
    poller.register(near, select.POLLHUP)
    began = time.monotonic()
    answered = bool(poller.poll(seconds * 1000))
    os.close(near)
    print('barrier', 'answered' if answered else 'SILENT', flush=True)
`

test('Python: READY with STATUS in one datagram, BARRIER answered, unknown words ignored', async () => {
  const fleet = new Fleet(`${DEFAULTS}\nmodules:\n  bot: { command: [python3, bot.py], ready: notify }\n`, [
    'bot',
  ])
  fleet.write(
    'bot.py',
    `${SPEAKER}
say('NONSENSE\\n=\\nX_FOO=1\\nSTATUS=one\\nREADY=1')
for _ in range(20): barrier(5)
say('ERRNO=2\\nSTATUS=two')
time.sleep(1000)
`,
  )
  try {
    await fleet.up()
    await until('the last word is heard', 10_000, async () => (await fleet.module('bot')).reason === 'two')
    assert.equal(fleet.read('.mark/logs/bot.log'), 'barrier answered\n'.repeat(20))
    assert.equal(fleet.events('exited', 'bot').length, 0)
  } finally {
    fleet.end()
  }
})

test('Python: EXTEND_TIMEOUT_USEC keeps a slow start alive; without it, it is too slow', async () => {
  const fleet = new Fleet(
    `${DEFAULTS}
modules:
  slow: { command: [python3, slow.py, extend], ready: { notify: true, timeout: 1s } }
  late: { command: [python3, slow.py], ready: { notify: true, timeout: 1s } }
`,
    ['slow', 'late'],
  )
  fleet.write(
    'slow.py',
    `${SPEAKER}
import sys
for step in range(5):
    if len(sys.argv) > 1: say('EXTEND_TIMEOUT_USEC=2000000')
    time.sleep(0.5)
say('READY=1')
time.sleep(1000)
`,
  )
  try {
    const up = fleet.begin('up', '-d', '--timeout', '30s')
    await until('the extended one is ready', 15_000, () => fleet.events('ready', 'slow').length === 1)
    assert.equal(fleet.events('exited', 'slow').length, 0)
    await until('the other was too late', 10_000, () => fleet.events('exited', 'late').length > 0)
    assert.equal(fleet.events('ready', 'late').length, 0)
    assert.match(String(fleet.events('stopping', 'late')[0]?.data.why), /not ready within/)
    up.child.kill('SIGKILL')
  } finally {
    fleet.end()
  }
})

test('Python: WATCHDOG=trigger restarts at once', async () => {
  const fleet = new Fleet(`${DEFAULTS}\nmodules:\n  bot: { command: [python3, bot.py], ready: notify }\n`, [
    'bot',
  ])
  fleet.write(
    'bot.py',
    `${SPEAKER}
say('READY=1')
say('WATCHDOG=1')
while not os.path.exists('trigger'): time.sleep(0.05)
os.remove('trigger')
say('WATCHDOG=trigger')
time.sleep(1000)
`,
  )
  try {
    await fleet.up()
    const pid = fleet.pids().bot?.[0]
    fleet.write('trigger', '')
    await until('another run is there', 10_000, () => {
      const now = fleet.pids().bot?.[0]
      return now !== undefined && now !== pid
    })
    assert.match(String(fleet.events('unhealthy', 'bot')[0]?.data.reason), /watchdog/)
  } finally {
    fleet.end()
  }
})
