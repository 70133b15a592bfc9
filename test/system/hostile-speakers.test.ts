/**
 * A module that speaks as another, floods its socket, sends a line without end, another version and garbage:
 * each is refused and recorded, and the other goes on being answered. Prints its round trips before and
 * during; how long they are is a figure, not a promise.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fleet, until } from './fleet.ts'

/** Pings fifty times a second and writes down each round trip; a lost pong stays away. */
const BOT = `import json, os, select, socket, time
sock = socket.socket(socket.AF_UNIX)
while True:
    try:
        sock.connect(os.environ['MARK_SOCKET'])
        break
    except OSError:
        time.sleep(0.05)
line = lambda **message: (json.dumps(message) + '\\n').encode()
sock.sendall(line(type='hello', v=1) + line(type='ready'))
out = open('trips', 'a', buffering=1)
rest, sent, seq = b'', {}, 0
due = time.monotonic()
while True:
    wait = due - time.monotonic()
    if wait <= 0:
        seq += 1
        sent[seq] = time.monotonic()
        out.write('sent %d\\n' % seq)
        sock.sendall(line(type='heartbeat', seq=seq, state='trading') + line(type='ping', id=seq))
        due += 0.02
        continue
    if select.select([sock], [], [], wait)[0]:
        piece = sock.recv(65536)
        if not piece:
            out.write('lost\\n')
            time.sleep(9999)
        *lines, rest = (rest + piece).split(b'\\n')
        for said in map(json.loads, lines):
            if said['type'] == 'pong':
                out.write('%.3f\\n' % ((time.monotonic() - sent.pop(said['id'])) * 1000))
`

/** Does what the file `do` names to the socket of the module it names, and tells how it ended. */
const INTRUDER = `import json, os, socket, time
def attempt(to, pieces):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    heard = b''
    sent = 0
    try:
        sock.connect(os.environ['MARK_SOCKET'].replace('/intruder/', '/' + to + '/'))
        for piece, times in pieces:
            data = piece.encode()
            for _ in range(times):
                sent += len(data)
                sock.sendall(data)
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            heard += piece
    except socket.timeout:
        return {'ended': 'open', 'sent': sent}
    except OSError:
        pass
    finally:
        sock.close()
    return {'ended': 'closed', 'welcomed': b'"welcome"' in heard, 'sent': sent}
def flood(to, count, seconds):
    path = os.environ['MARK_SOCKET'].replace('/intruder/', '/' + to + '/')
    began = time.monotonic()
    made = 0
    for n in range(count):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        try:
            sock.connect(path)
            sock.sendall(b'{"type":"hello","v":1}\\n')
            made += 1
        except OSError:
            pass
        sock.close()
        time.sleep(max(0, began + (n + 1) * seconds / count - time.monotonic()))
    return {'made': made, 'seconds': round(time.monotonic() - began, 1)}
while True:
    try:
        order = json.load(open('do'))
        os.remove('do')
    except (OSError, ValueError):
        time.sleep(0.05)
        continue
    done = flood(*order['flood']) if 'flood' in order else attempt(*order['attempt'])
    with open('done.new', 'w') as out:
        json.dump(done, out)
    os.rename('done.new', 'done')
`

const CONFIG = `modules:
  bot:
    command: [python3, bot.py]
    ready: { notify: true, timeout: 30s }
    heartbeat: { timeout: 15s, expect_state: trading }
  intruder: { command: [python3, intruder.py], ready: { delay: 1ms } }
`
const CONNECTS = Number(process.env.MARK_HOSTILE_CONNECTS ?? 1000)
const SECONDS = (CONNECTS / 10_000) * 60
const HELLO = '{"type":"hello","v":1}\n'

interface Done {
  readonly ended?: string
  readonly welcomed?: boolean
  readonly sent?: number
  readonly made?: number
  readonly seconds?: number
}

function tripsOf(text: string): { sent: number; trips: number[]; lost: boolean } {
  const lines = text.split('\n').slice(0, -1)
  const trips = lines.filter(line => /^[\d.]+$/.test(line)).map(Number)
  return { sent: lines.filter(line => line.startsWith('sent')).length, trips, lost: lines.includes('lost') }
}

function p(trips: readonly number[], share: number): number {
  const sorted = [...trips].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const ATTACKS: readonly (readonly [string, unknown])[] = [
  ['speaks as bot', { attempt: ['bot', [[HELLO, 1]]] }],
  [
    '1 GB in a line',
    {
      attempt: [
        'intruder',
        [
          [HELLO, 1],
          ['x'.repeat(65_536), 16_384],
        ],
      ],
    },
  ],
  ['1 GB in a line as bot', { attempt: ['bot', [['x'.repeat(65_536), 16_384]]] }],
  ['version 999', { attempt: ['intruder', [['{"type":"hello","v":999}\n', 1]]] }],
  ['garbage', { attempt: ['intruder', [['\u0000\u0007{[\n', 1]]] }],
  [`${CONNECTS} connects as bot`, { flood: ['bot', CONNECTS, SECONDS] }],
  [`${CONNECTS} connects to its own`, { flood: ['intruder', CONNECTS, SECONDS] }],
]

const all = (fleet: Fleet): ReturnType<typeof tripsOf> => tripsOf(fleet.read('trips'))

async function order(fleet: Fleet, what: unknown): Promise<Done> {
  fleet.write('done', '')
  fleet.write('do', JSON.stringify(what))
  return await until('the intruder is done', 120_000, () => {
    const text = fleet.read('done')
    return text !== '' && (JSON.parse(text) as Done)
  })
}

function figures(trips: readonly number[], peace: readonly number[]): string {
  const times = (p(trips, 0.99) / p(peace, 0.99)).toFixed(2)
  const most = `p50 ${p(trips, 0.5)} ms, p99 ${p(trips, 0.99)} ms, most ${Math.max(...trips)} ms`
  return `${trips.length} round trips, ${most}, p99 ${times} times that of peace`
}

/** Each in its kind, and not one for each of thousands. */
function checkRecords(fleet: Fleet): number {
  const recorded = (name: string): string[] =>
    fleet.events('refused_speaker', name).map(event => String(event.data.reason))
  assert.match(recorded('bot').join('\n'), /process \d+ belongs to intruder/)
  for (const reason of [/a line is too long/, /`hello` has no usable `v`/, /no JSON/]) {
    assert.match(recorded('intruder').join('\n'), reason)
  }
  const count = recorded('bot').length + recorded('intruder').length
  assert.ok(count <= 40, `${count} events`)
  return count
}

test('whoever may not speak is refused and recorded, and no pong of the other is lost', async t => {
  const fleet = new Fleet(CONFIG, ['bot', 'intruder'])
  fleet.write('bot.py', BOT)
  fleet.write('intruder.py', INTRUDER)
  try {
    await fleet.up()
    // The first hundreds are those of a daemon that is still loading.
    await until('750 round trips in peace', 60_000, () => all(fleet).trips.length >= 750)
    const peace = all(fleet).trips.slice(250)
    t.diagnostic(`peace: ${figures(peace, peace)}`)
    for (const [name, what] of ATTACKS) {
      const from = all(fleet).trips.length
      const done = await order(fleet, what)
      await until('the bot is answered', 10_000, () => all(fleet).trips.length > from + 50)
      t.diagnostic(`${name}: ${JSON.stringify(done)}; ${figures(all(fleet).trips.slice(from), peace)}`)
      if (done.ended !== undefined) assert.equal(done.ended, 'closed', name)
      if (name.includes('bot')) assert.notEqual(done.welcomed, true, name)
    }
    const { sent, lost } = all(fleet)
    assert.equal(lost, false, 'its connection stands')
    await until('each ping has its pong', 10_000, () => all(fleet).trips.length >= sent)
    const count = checkRecords(fleet)
    t.diagnostic([...(await fleet.status()).degraded, `${count} events`].join(' | '))
    const ended = fleet.events('exited').map(event => `${event.module} ${JSON.stringify(event.data)}`)
    assert.deepEqual(ended, [], fleet.read('.mark/logs/intruder.log'))
  } finally {
    fleet.end()
  }
})
