/**
 * `mark up` on a terminal: Ctrl-C, a second one, detaching, a terminal that hangs up, and kill -9 of the
 * command.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { BIN, cleanEnv, Fleet, until } from './fleet.ts'

const FLEET = `defaults: { ready: { delay: 50ms }, stop: { grace: 20s } }
modules:
  talker: { command: [python3, -u, talker.py] }
  deaf: { command: [python3, deaf.py], ready: notify }
`
const NAMES = ['talker', 'deaf']
const TALKER = `import time
print('hello from the talker')
time.sleep(1000)
`
const DEAF = `import os, signal, socket, time
signal.signal(signal.SIGTERM, lambda *_: None if os.path.exists('deaf') else os._exit(0))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
while True: time.sleep(1000)
`

class Terminal {
  said = ''
  readonly #child: ChildProcess

  constructor(fleet: Fleet, ...words: readonly string[]) {
    const script = join(import.meta.dirname, 'terminal.py')
    const options = { cwd: fleet.dir, env: cleanEnv({ TERM: 'xterm' }) }
    this.#child = spawn('python3', [script, BIN, ...words], {
      ...options,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdout?.on('data', text => {
      this.said += text
    })
  }

  do(word: 'int' | 'hup' | 'kill'): void {
    this.#child.stdin?.write(`${word}\n`)
  }

  /** Exit status of the command, negative for a signal. */
  async ended(deadlineMs: number): Promise<number> {
    const match = await until('the command ended', deadlineMs, () => /\nended (-?\d+)\n$/.exec(this.said))
    return Number(match[1])
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}

async function onTerminal(act: (fleet: Fleet, terminal: Terminal) => Promise<void>): Promise<void> {
  const fleet = new Fleet(FLEET, NAMES)
  fleet.write('talker.py', TALKER)
  fleet.write('deaf.py', DEAF)
  const terminal = new Terminal(fleet, 'up')
  try {
    await until('the logs are streamed and all runs', 15_000, async () => {
      const all = /hello from the talker/.test(terminal.said) && Object.keys(fleet.pids()).length === 2
      return all && fleet.events('ready').length >= 2
    })
    await act(fleet, terminal)
  } finally {
    terminal.close()
    fleet.end()
  }
}

function nothingLeft(fleet: Fleet): boolean {
  return fleet.observer.everything().length === 0
}

test('Ctrl-C stops what this call started, in order and with grace, and ends with 0', async () => {
  await onTerminal(async (fleet, terminal) => {
    terminal.do('int')
    assert.equal(await terminal.ended(15_000), 0, terminal.said)
    await until('nothing is left', 3000, () => nothingLeft(fleet))
    const exits = fleet.events('exited').filter(event => event.module !== '@daemon')
    assert.deepEqual(
      exits.map(event => event.data.asked),
      [true, true],
    )
  })
})

test('a second Ctrl-C ends the grace', async () => {
  await onTerminal(async (fleet, terminal) => {
    fleet.write('deaf', '')
    terminal.do('int')
    await until('only the deaf one is left', 10_000, () => Object.keys(fleet.pids()).join() === 'deaf')
    const began = performance.now()
    terminal.do('int')
    assert.equal(await terminal.ended(10_000), 0, terminal.said)
    assert.ok(performance.now() - began < 5000, 'well before its grace of 20 s')
    assert.equal(fleet.events('exited', 'deaf')[0]?.data.signal, 'SIGKILL')
    await until('nothing is left', 3000, () => nothingLeft(fleet))
  })
})

test('attached to a fleet that ran before, Ctrl-C detaches', async () => {
  const fleet = new Fleet(FLEET, NAMES)
  fleet.write('talker.py', TALKER)
  fleet.write('deaf.py', DEAF)
  await fleet.up()
  const before = fleet.pids()
  const terminal = new Terminal(fleet, 'up')
  try {
    await until('it follows', 10_000, () => /following the logs/.test(terminal.said))
    terminal.do('int')
    assert.equal(await terminal.ended(10_000), 0, terminal.said)
    assert.deepEqual(fleet.pids(), before)
    assert.equal((await fleet.status()).state, 'up')
  } finally {
    terminal.close()
    fleet.end()
  }
})

test('a job shows its lines beside modules, from its first run on', async () => {
  const fleet = new Fleet(`${FLEET}jobs:\n  night: { command: [echo, the night is over] }\n`, NAMES)
  fleet.write('talker.py', TALKER)
  fleet.write('deaf.py', DEAF)
  const terminal = new Terminal(fleet, 'up')
  try {
    await until('all runs', 15_000, () => fleet.events('ready').length >= 2)
    assert.match(terminal.said, /following the logs of 2 modules and 1 job\./)
    await fleet.expect(0, 'run', 'night', '--wait')
    await until('its line is shown', 10_000, () => /the night is over/.test(terminal.said))
  } finally {
    terminal.close()
    fleet.end()
  }
})

for (const how of ['hup', 'kill'] as const) {
  const says = how === 'hup' ? 'a terminal that hangs up (SIGHUP)' : 'kill -9 of the command'
  test(`${says} leaves the fleet running`, async () => {
    await onTerminal(async (fleet, terminal) => {
      const before = fleet.pids()
      terminal.do(how)
      await terminal.ended(10_000)
      const status = await fleet.status()
      assert.equal(status.state, 'up')
      assert.deepEqual(fleet.pids(), before)
      assert.equal(status.keeper?.pid, fleet.look().keeper?.pid)
      assert.deepEqual(fleet.events('exited'), [])
    })
  })
}

test('what stopped last is told, also when MARK itself ends in the same moment', async () => {
  await onTerminal(async (fleet, terminal) => {
    // A daemon that still loads ends at once, so that nothing of the keeper's own is waited for.
    const { daemon } = fleet.look()
    assert.ok(daemon, 'there is a daemon')
    process.kill(daemon.pid, 'SIGKILL')
    terminal.do('int')
    assert.equal(await terminal.ended(10_000), 0)
    for (const name of NAMES)
      assert.match(terminal.said, new RegExp(`${name} +\\S+ stopped`), `${name}: ${terminal.said}`)
  })
})
