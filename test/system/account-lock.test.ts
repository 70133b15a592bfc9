/**
 * `lock:`: two fleets trade on one account. Whatever is started, reloaded and killed, the exchange never sees
 * two live holders, and every holder has a higher fence than the one before; without the lock it sees both.
 * MARK_STROKES says how many strokes (MARK_FAULTS=long: 1,000); MARK_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadLibc } from '../../src/host/libc.ts'
import { isLive, statOf } from '../chaos/proc.ts'
import { chanceFrom } from '../chaos/schedule.ts'
import { FaultFleet, repetitions } from '../faults/fault-fleet.ts'
import { markIsBack } from '../faults/kill-scenarios.ts'
import { until } from './fleet.ts'

const STROKES = Number(process.env.MARK_STROKES ?? repetitions(40, 1000))
const SEED = Number(process.env.MARK_SEED ?? Date.now() % 100_000)
const skip = loadLibc() === null ? 'koffi cannot be loaded here' : false

/** Says who it is to the exchange, and has a child that keeps the lock a little longer. */
const BOT = `import json, os, socket, subprocess, sys, time
held = [int(os.environ['MARK_LOCK_FD'])] if 'MARK_LOCK_FD' in os.environ else []
exchange = socket.socket(socket.AF_UNIX)
exchange.connect(sys.argv[1])
said = {'fence': int(os.environ.get('MARK_FENCE', 0)), 'pid': os.getpid(), 'run': os.environ['MARK_RUN_ID']}
exchange.sendall(json.dumps(said).encode() + b'\\n')
subprocess.Popen(['sleep', '1000'], pass_fds=held)
while True: time.sleep(1)
`
const config = (locked: boolean, exchange: string): string => `defaults:
  restart: { delay: 50ms, multiplier: 1, jitter: 0, budget: [100000/1d] }
  ready: { delay: 20ms }
  stop: { grace: 2s }
modules:
  teea:
    command: [python3, bot.py, "${exchange}"]
${locked ? `    lock: "test-exchange:${process.pid}-${SEED}"\n` : ''}`

interface Holder {
  readonly pid: number
  readonly start: number
  readonly fence: number
}

/** Counts who trades on it at one time. */
class Exchange {
  readonly #server: Server
  readonly #holders: Holder[] = []
  readonly problems: string[] = []
  orders = 0

  constructor(path: string) {
    this.#server = createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', bytes =>
        this.#greet(JSON.parse(bytes.toString()) as { fence: number; pid: number }),
      )
    }).listen(path)
  }

  #greet({ fence, pid }: { fence: number; pid: number }): void {
    this.orders++
    const stat = statOf(pid)
    for (const other of this.#holders) {
      const now = statOf(other.pid)
      if (other.pid !== pid && now?.start === other.start && isLive(now))
        this.problems.push(`pid ${pid} (fence ${fence}) came while pid ${other.pid} (${other.fence}) lives`)
      else if (fence <= other.fence) this.problems.push(`fence ${fence} came after ${other.fence}`)
    }
    if (stat) this.#holders.push({ pid, start: stat.start, fence })
  }

  close(): void {
    this.#server.close()
  }
}

async function trade(t: TestContext, locked: boolean, strokes: number): Promise<Exchange> {
  const chance = chanceFrom(SEED)
  const first = new FaultFleet('', ['teea'])
  const path = join(first.dir, 'exchange.sock')
  const exchange = new Exchange(path)
  const second = new FaultFleet('', ['teea'])
  const fleets = [first, second]
  try {
    for (const fleet of fleets) {
      fleet.write('bot.py', BOT)
      fleet.write('mark.yaml', config(locked, path))
      if (fleet === second && locked) {
        const refused = await fleet.expect(5, 'up', '-d')
        assert.match(refused.stderr, /MARK_LOCK_HELD.*teea.*held by teea of .*pid \d+/s)
        assert.equal(fleet.has('.mark/plan.json'), false, 'refused means untouched')
        await first.tell('stop', 'teea')
        await first.settled('teea', /stopped/)
      }
      await fleet.up()
    }
    for (let stroke = 0; stroke < strokes; stroke++) {
      const fleet = fleets[Math.floor(chance() * 2)] as FaultFleet
      await strike(fleet, chance())
      await pause(chance() * 250)
    }
    const refused = fleets.flatMap(fleet => fleet.events('start_refused')).length
    const both = exchange.problems.filter(problem => problem.endsWith(' lives')).length
    const seen = `${exchange.orders} holders, ${refused} refusals told, ${both} times two at once`
    t.diagnostic(`seed ${SEED}, ${strokes} strokes, ${seen}`)
    for (const fleet of fleets) {
      await markIsBack(fleet)
      await fleet.tell('start', 'teea')
    }
    if (locked) await alone(fleets)
    else await until('both were seen at once', 15_000, () => / lives$/m.test(exchange.problems.join('\n')))
    return exchange
  } finally {
    for (const fleet of fleets) fleet.end()
    exchange.close()
  }
}

async function strike(fleet: FaultFleet, what: number): Promise<void> {
  const look = fleet.look()
  const target =
    what < 0.15 && look.waiting.length > 0
      ? look.keeper
      : what < 0.2
        ? look.daemon
        : what < 0.4
          ? look.modules.get('teea')?.[0]
          : null
  if (target) return void process.kill(target.pid, 'SIGKILL')
  const verb = what < 0.7 ? 'start' : what < 0.8 ? 'reload' : what < 0.9 ? 'restart' : 'stop'
  // Refused, or its keeper was killed: both may be.
  await fleet.tell(verb, 'teea').catch(() => {})
}

/** Both want it; who does not have it gets it when the other lets go. */
async function alone(fleets: readonly FaultFleet[]): Promise<void> {
  const holder = await until('one of them trades', 15_000, () =>
    fleets.find(fleet => fleet.pids().teea?.length),
  )
  const other = fleets.find(fleet => fleet !== holder) as FaultFleet
  assert.deepEqual(other.pids().teea ?? [], [])
  await holder.tell('stop', 'teea')
  await until('the other one trades', 15_000, () => other.pids().teea?.length === 1)
}

test('one live run an account, whatever two fleets do', { skip }, async t => {
  const exchange = await trade(t, true, STROKES)
  assert.deepEqual(exchange.problems, [])
  assert.ok(exchange.orders >= 3, `only ${exchange.orders} holders: nothing was proven`)
})

test('without the lock the same strokes show both at once', { skip }, async t => {
  await trade(t, false, Math.min(STROKES, 20))
})
