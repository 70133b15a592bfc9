/**
 * The command line against a real keeper, daemon and modules, in a directory of its own with a blank in
 * its name.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../bin/mark', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'mark fleet-'))
const linked = join(dir, 'mark-link')

const FLEET = `name: demo
modules:
  luka:
    command: [sh, -c, 'echo "luka $MODE"; exec sleep 1000']
    ready: { delay: 100ms }
    stop: { grace: 5s }
  vida: { command: [sleep, "1000"], depends_on: [luka], ready: { delay: 100ms }, stop: { grace: 5s } }
groups: { both: { modules: [luka, vida] } }
`

function mark(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  return new Promise(resolve => {
    execFile(linked, argv, { cwd: dir, timeout: 60_000 }, (error, out, err) => {
      resolve({ status: error ? Number(error.code ?? -1) : 0, out, err })
    })
  })
}

async function status() {
  return JSON.parse((await mark('status', '--json')).out)
}

before(() => {
  symlinkSync(BIN, linked)
  writeFileSync(join(dir, 'mark.yaml'), FLEET)
})

after(async () => {
  await mark('down')
  rmSync(dir, { recursive: true, force: true })
})

test('any number of racing `up -d` start one keeper, and each returns when the fleet is ready', async () => {
  const calls = await Promise.all(Array.from({ length: 8 }, () => mark('up', '-d')))
  assert.deepEqual(
    calls.map(call => call.status),
    Array(8).fill(0),
    calls.map(call => call.err).join(''),
  )
  const fleet = await status()
  assert.equal(fleet.state, 'up')
  assert.deepEqual(
    fleet.modules.map((module: { state: string }) => module.state),
    ['ready', 'ready'],
  )
})

test('stop, start and restart wait until it is so, take groups, and are idempotent', async () => {
  const first = (await status()).modules[0].run_id
  assert.equal((await mark('stop', 'vida')).status, 0)
  assert.match((await mark('stop', 'vida')).err, /already/)
  assert.equal((await status()).modules[1].pid, null)
  assert.equal((await mark('start', 'v*')).status, 0)
  assert.equal((await mark('restart', 'both')).status, 0)
  const fleet = await status()
  assert.notEqual(fleet.modules[0].run_id, first)
  assert.deepEqual(
    fleet.modules.map((module: { state: string }) => module.state),
    ['ready', 'ready'],
  )
  assert.equal((await mark('stop', 'nope')).status, 4)
})

test('logs and events are read from disk, and a pipe that closes is a quiet end', async () => {
  assert.match((await mark('logs', 'luka', '-n', '1')).out, /^luka \| .*luka TEST\n$/)
  assert.equal((await mark('logs', 'luka', '--raw', '-n', '1')).out, 'luka TEST\n')
  assert.match((await mark('events', '-n', '50')).out, /vida +ready/)
  const piped = await new Promise<string>(resolve => {
    execFile(
      'sh',
      ['-c', '("$0" logs -n 100; echo "status $?" >&2) | true', linked],
      { cwd: dir },
      (_error, _out, err) => resolve(err),
    )
  })
  assert.equal(piped.trim(), 'status 0')
})

test('a keeper that is stopped cannot hold up the kill switch, nor does it undo it later', async () => {
  const { keeper } = await status()
  process.kill(keeper.pid, 'SIGSTOP')
  let killed: Awaited<ReturnType<typeof mark>>
  try {
    killed = await mark('kill', '--reason', 'drill')
  } finally {
    process.kill(keeper.pid, 'SIGCONT')
  }
  assert.equal(killed.status, 0, killed.err)
  assert.equal(killed.out.trim().split('\n').length, 3)
  assert.equal((await mark('start', 'luka')).status, 5)
  const list = JSON.parse((await mark('kill', 'list', '--json')).out)
  assert.equal(list.kills.length, 1)
  assert.equal(list.kills[0].complete, false)
})

test('all of MARK killed: the fleet is unsupervised, until the next command takes it up again', async () => {
  assert.equal((await mark('down')).status, 0)
  rmSync(join(dir, '.mark'), { recursive: true, force: true })
  assert.equal((await mark('up', '-d')).status, 0)
  const { modules } = await status()
  await killAllOfMark()
  const alone = await mark('status', '--json')
  const document = JSON.parse(alone.out)
  assert.equal(document.state, 'unsupervised')
  assert.equal(alone.status, 0)
  const again = await status()
  assert.equal(again.state, 'up')
  assert.deepEqual(
    again.modules.map((module: { pid: number }) => module.pid),
    modules.map((module: { pid: number }) => module.pid),
  )
})

test('down leaves nothing, twice is no error, and status exits 3', async () => {
  assert.equal((await mark('down')).status, 0)
  assert.equal((await mark('down')).status, 0)
  assert.equal((await mark('status')).status, 3)
})

/** Every process that was started on this state directory: keeper, successor, daemon. */
async function killAllOfMark(): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    const pids = await new Promise<number[]>(resolve => {
      execFile('ps', ['-eo', 'pid=,args='], (_error, out) => {
        const own = out
          .split('\n')
          .filter(line => line.includes(`${dir}/.mark`) && /keeper|daemon/.test(line))
        resolve(own.map(line => Number.parseInt(line, 10)))
      })
    })
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // ended by itself
      }
    }
    quiet = pids.length === 0 ? quiet + 1 : 0
    await delay(20)
  }
}
