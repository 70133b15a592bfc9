/**
 * MARK_SOCKET as any program can speak it, with Python's plain sockets: what a module says is seen, what
 * others say is refused, and a module that lost its daemon goes on with the next one.
 */
import assert from 'node:assert/strict'
import { lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

/** Says ready and heartbeats, over every new connection too; what MARK says goes to its log. */
const BOT = `import json, os, select, socket, time
name = os.environ['MARK_MODULE']
last_tick = time.time()
state = 'trading'
seq = 0
sock = None
def flag(what):
    return os.path.exists(name + '.' + what)
def line(**message):
    return (json.dumps(message) + '\\n').encode()
def reach():
    fresh = socket.socket(socket.AF_UNIX)
    try:
        fresh.connect(os.environ['MARK_SOCKET'])
    except OSError:
        fresh.close()
        return None
    fresh.sendall(line(type='hello', v=1, pid=1, run_id='somebody else') + line(type='ready'))
    return fresh
while True:
    sock = sock or reach()
    if not flag('frozen'):
        last_tick = time.time()
    if sock and not flag('silent'):
        seq += 1
        state = 'stopped' if flag('stopped') else 'trading'
        feeds = [{'name': 'BTC', 'last_tick_ts': int(last_tick * 1000)}]
        try:
            beat = line(type='heartbeat', seq=seq, state=state, feeds=feeds)
            sock.sendall(beat + line(type='ping', id=seq))
            while select.select([sock], [], [], 0)[0]:
                said = sock.recv(65536)
                if not said:
                    raise OSError('closed')
                print(said.decode(), end='', flush=True)
        except OSError:
            sock.close()
            sock = None
    time.sleep(0.2)
`

/** Connects where the file \`do\` says, sends what it says, and writes down how the connection ended. */
const INTRUDER = `import json, os, socket, time
while True:
    try:
        order = json.load(open('do'))
        os.remove('do')
    except (OSError, ValueError):
        time.sleep(0.05)
        continue
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    heard = b''
    try:
        sock.connect(os.environ['MARK_SOCKET'].replace('/intruder/', '/' + order['to'] + '/'))
        for text, times in order['say']:
            sock.sendall(text.encode() * times)
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            heard += piece
        ended = 'closed'
    except socket.timeout:
        ended = 'open'
    except OSError:
        ended = 'closed'
    sock.close()
    with open('done.new', 'w') as done:
        json.dump({'ended': ended, 'heard': heard.decode()}, done)
    os.rename('done.new', 'done')
`

const CONFIG = `defaults: { restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }, stop: { grace: 2s } }
modules:
  bot:
    command: [python3, bot.py]
    ready: { notify: true, timeout: 30s }
    heartbeat: { timeout: 3s, max_data_age: 2s, expect_state: trading }
  intruder: { command: [python3, intruder.py], ready: { delay: 1ms } }
`

async function withFleet(work: (fleet: Fleet) => Promise<void>): Promise<void> {
  const fleet = new Fleet(CONFIG, ['bot', 'intruder'])
  fleet.write('bot.py', BOT)
  fleet.write('intruder.py', INTRUDER)
  try {
    await fleet.up()
    await work(fleet)
  } finally {
    fleet.end()
  }
}

const log = (fleet: Fleet): string => fleet.read('.mark/logs/bot.log')
const pongs = (fleet: Fleet): number => log(fleet).split('"pong"').length - 1
const socketOf = (fleet: Fleet): string => join(fleet.stateDir, 'run', 'm', 'bot', 'mark.sock')

test('ready, heartbeats and pings are heard; frozen or stopped is stale, and silence restarts', async () => {
  await withFleet(async fleet => {
    assert.equal(fleet.events('ready', 'bot')[0]?.data.by, 'its socket')
    assert.equal(lstatSync(socketOf(fleet)).mode & 0o777, 0o600)
    const first = await until('it is seen to trade', 10_000, async () => {
      const bot = await fleet.module('bot')
      return bot.trading_state === 'trading' && bot.health === 'healthy' && bot
    })
    assert.ok(first.data_age_s !== null && first.data_age_s < 5, String(first.data_age_s))
    await until('pings are answered', 10_000, () => pongs(fleet) > 2)
    const welcome = JSON.parse(log(fleet).split('\n')[0] as string)
    assert.deepEqual(
      [welcome.type, welcome.module, welcome.run_id, welcome.halt],
      ['welcome', 'bot', first.run_id, null],
    )

    fleet.write('bot.frozen', '')
    const stale = await until('a frozen feed is stale', 10_000, async () => {
      const bot = await fleet.module('bot')
      return bot.health === 'stale' && bot
    })
    assert.match(stale.reason, /^no data of BTC for /)
    rmSync(join(fleet.dir, 'bot.frozen'))
    await until('it is well again', 10_000, async () => (await fleet.module('bot')).health === 'healthy')

    fleet.write('bot.stopped', '')
    const began = performance.now()
    await until('that it stopped trading is told', 5_000, async () => {
      const bot = await fleet.module('bot')
      return bot.health === 'stale' && bot.trading_state === 'stopped'
    })
    assert.ok(performance.now() - began < 5_000)
    rmSync(join(fleet.dir, 'bot.stopped'))
    assert.equal((await fleet.module('bot')).run_id, first.run_id, 'stale ends nothing')

    const [pid] = fleet.pids().bot ?? []
    fleet.write('bot.silent', '')
    await until('silence is found out and it runs anew', 20_000, () => {
      const [now] = fleet.pids().bot ?? []
      return now !== undefined && now !== pid
    })
    assert.equal(fleet.events('unhealthy', 'bot')[0]?.data.reason, 'no heartbeat for 3 s')
  })
})

test('another module, a stranger, 1 MB in a line and garbage are refused, and the bot goes on', async () => {
  await withFleet(async fleet => {
    await until('pings are answered', 10_000, () => pongs(fleet) > 0)
    const order = async (to: string, say: [string, number][]): Promise<{ ended: string; heard: string }> => {
      fleet.write('done', '')
      fleet.write('do', JSON.stringify({ to, say }))
      return await until('the intruder is done', 20_000, () => {
        const text = fleet.read('done')
        return text !== '' && JSON.parse(text)
      })
    }
    const hello = '{"type":"hello","v":1}\n'
    const before = pongs(fleet)
    const asBot = await order('bot', [[hello, 1]])
    assert.deepEqual(asBot, { ended: 'closed', heard: '' })
    const said: [string, [string, number][]][] = [
      [
        'one megabyte',
        [
          [hello, 1],
          ['x', 1_000_000],
        ],
      ],
      ['another version', [['{"type":"hello","v":999}\n', 1]]],
      ['garbage', [['\u0000\u0007{[\n', 1]]],
      ['no hello', [['{"type":"ready"}\n', 1]]],
    ]
    for (const [what, say] of said) {
      const { ended } = await order('intruder', say)
      assert.equal(ended, 'closed', what)
    }
    const { ended, heard } = await order('intruder', [
      [`${hello}{"type":"song"}\n{"type":"ping","id":7}\n`, 1],
      ['{', 2],
    ])
    assert.equal(ended, 'open')
    assert.match(heard, /"welcome".*\n.*"pong","id":7/)

    const stranger = connect(socketOf(fleet))
    await new Promise<void>((resolve, reject) => {
      stranger.on('error', reject)
      stranger.on('close', () => resolve())
      stranger.resume()
      stranger.write(hello)
    })
    const { degraded } = await fleet.status()
    const notes = degraded.filter(what => what.includes('refused at the socket of'))
    assert.equal(notes.length, 2, JSON.stringify(degraded))
    assert.match(notes.join('\n'), /of bot: process \d+ is no part of a run of it/)
    await until('the bot was answered all the time', 10_000, () => pongs(fleet) > before + 5)
    assert.equal(fleet.events('exited').length, 0)
  })
})

test('a killed daemon costs a module its connection and nothing else', async () => {
  await withFleet(async fleet => {
    await until('pings are answered', 10_000, () => pongs(fleet) > 0)
    const before = await fleet.status()
    process.kill(before.daemon?.pid as number, 'SIGKILL')
    await until('the next daemon welcomes it', 20_000, () => log(fleet).split('"welcome"').length > 2)
    await until('and sees it trade', 10_000, async () => {
      const bot = await fleet.module('bot')
      return bot.trading_state === 'trading' && bot.health === 'healthy'
    })
    assert.equal((await fleet.module('bot')).run_id, before.modules.find(one => one.name === 'bot')?.run_id)
    assert.equal(fleet.events('exited', 'bot').length, 0)
  })
})

test('a pause and its release reach the module by its socket, and paused is then not stale', async () => {
  await withFleet(async fleet => {
    await until('pings are answered', 10_000, () => pongs(fleet) > 0)
    await fleet.expect(0, 'kill', 'bot', '--level', 'pause', '--reason', 'a look at it')
    await until('it is told', 10_000, () => log(fleet).includes('{"type":"pause"'))
    fleet.write('bot.stopped', '')
    await until('its state is seen', 10_000, async () => {
      const bot = await fleet.module('bot')
      return bot.trading_state === 'stopped' && bot.health === 'healthy'
    })
    const id = (await fleet.status()).kills[0]?.id as string
    await fleet.expect(0, 'kill', 'release', id, '--reason', 'seen')
    await until('it is told again', 10_000, () => log(fleet).includes('{"type":"resume"}'))
  })
})
