/**
 * Exit truth, end to end: what MARK says of an exit is what happened, and each code means what SPEC 4 says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LastExit } from '../../src/core/exit.ts'
import { isLive, statOf } from '../chaos/proc.ts'
import { Fleet, until } from './fleet.ts'

const SIGNALS =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU XFSZ VTALRM PROF SYS RTMIN'
const SIGNAL_ITSELF = `import os, resource, signal, sys, time
number = getattr(signal, sys.argv[1])
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if number != signal.SIGKILL: signal.signal(number, signal.SIG_DFL)
os.kill(os.getpid(), number)
time.sleep(60)
`

test('all 256 exit codes and the signals are told exactly, and never one for the other', async () => {
  const signals = SIGNALS.split(' ')
  const codes = Array.from({ length: 256 }, (_, code) => code)
  const modules = [
    ...codes.map(code => `  c${code}: { command: [sh, -c, "exit ${code}"] }`),
    ...signals.map(name => `  s${name.toLowerCase()}: { command: [python3, signal-itself.py, SIG${name}] }`),
  ]
  const fleet = new Fleet(
    `defaults: { kind: task, restart: { policy: never } }\nmodules:\n${modules.join('\n')}\n`,
  )
  fleet.write('signal-itself.py', SIGNAL_ITSELF)
  try {
    await fleet.mark('up', '-d', '--timeout', '10s')
    const named = (name: string): LastExit | null =>
      (document.modules.find(module => module.name === name)?.last_exit ?? null) as LastExit | null
    let document = await fleet.status()
    await until('every module ended once', 20_000, async () => {
      document = await fleet.status()
      return document.modules.every(module => module.last_exit !== null)
    })
    for (const code of codes) {
      const exit = named(`c${code}`)
      assert.deepEqual([exit?.known, exit?.code, exit?.signal], [true, code, null], `exit ${code}`)
    }
    for (const name of signals) {
      const exit = named(`s${name.toLowerCase()}`)
      const expected = name === 'RTMIN' ? exit?.signal : `SIG${name}`
      assert.deepEqual([exit?.known, exit?.code, exit?.signal], [true, null, expected], `signal ${name}`)
    }
    assert.match(String(named('srtmin')?.signal), /^(SIGRTMIN|SIG34|34)$/, 'a real-time signal')
    const exits = fleet.events('exited').filter(event => event.module !== '@daemon')
    const once = new Set(exits.map(event => event.run_id))
    assert.equal(exits.length, once.size, 'each run has one exit in the journal')
  } finally {
    fleet.end()
  }
})

test('0 unasked is a failure, 75 waits, 77 and 12 hold, 78 fails; a task may end with 0', async () => {
  const quits = (code: number): string =>
    `{ command: [sh, -c, "echo start >> \${0}; sleep 0.2; exit ${code}", c${code}.txt] }`
  const fleet = new Fleet(
    `defaults: { restart: { delay: 100ms, multiplier: 1, max_delay: 60s, budget: [100/1m] } }
modules:
  zero: ${quits(0)}
  later: ${quits(75)}
  credentials: ${quits(77)}
  wrong: ${quits(78)}
  person: ${quits(12)}
  task: { kind: task, command: [sh, -c, "exit 0"] }
`.replaceAll('${0}', '$0'),
  )
  try {
    await fleet.mark('up', '-d', '--timeout', '3s')
    const starts = (code: number): number => fleet.read(`c${code}.txt`).split('\n').length - 1
    await until('the one that ends with 0 was started again and again', 20_000, () => starts(0) >= 8)
    const { modules } = await fleet.status()
    const states = Object.fromEntries(modules.map(module => [module.name, module]))
    assert.match(String(states.zero?.state), /backoff|starting|ready/)
    assert.deepEqual([states.later?.state, starts(75)], ['backoff', 1], '75: once, then at max_delay')
    const waitS = (Date.parse(String(states.later?.next_start_at)) - Date.now()) / 1000
    assert.ok(waitS > 30 && waitS <= 67, `75 is tried again after max_delay, not in ${waitS} s`)
    assert.deepEqual([states.credentials?.state, starts(77)], ['held', 1])
    assert.match(String(states.credentials?.hold?.reason), /credentials/)
    assert.deepEqual([states.wrong?.state, starts(78)], ['failed', 1])
    assert.deepEqual([states.person?.state, starts(12)], ['held', 1])
    assert.equal(states.task?.state, 'completed')
    assert.deepEqual([states.zero?.last_exit?.known, states.zero?.last_exit?.code], [true, 0])
  } finally {
    fleet.end()
  }
})

test('last_exit is right as soon as the process is gone, for a code and for kill -9', async () => {
  const fleet = new Fleet(
    `defaults: { restart: { delay: 300ms, multiplier: 1, budget: [100/1m], max_delay: 1s } }
modules:
  bot: { command: [python3, bot.py], ready: notify }
`,
    ['bot'],
  )
  fleet.write(
    'bot.py',
    `import os, signal, socket
signal.signal(signal.SIGUSR1, lambda *_: os._exit(int(open('code').read())))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
while True: signal.pause()
`,
  )
  try {
    await fleet.up()
    for (const end of [137, 'SIGKILL', 3, 'SIGKILL', 143, 0, 'SIGTERM', 255]) {
      const run = await until('it is ready', 20_000, async () => {
        const module = await fleet.module('bot')
        return module.state === 'ready' && module.pid !== null && module
      })
      fleet.write('code', String(end))
      const pid = run.pid as number
      process.kill(pid, typeof end === 'number' ? 'SIGUSR1' : (end as NodeJS.Signals))
      await until('its process is gone', 5000, () => !isLive(statOf(pid)))
      const { last_exit: exit } = await fleet.module('bot')
      const [code, signal] = typeof end === 'number' ? [end, null] : [null, end]
      assert.deepEqual(
        [exit?.run_id, exit?.known, exit?.code, exit?.signal],
        [run.run_id, true, code, signal],
      )
    }
  } finally {
    fleet.end()
  }
})
