/**
 * F11 on a real fleet: while its keeper is dead, one entry of the state directory after the other is cut,
 * filled with rubbish, replaced by a directory, a link or a FIFO. The next keeper has to find every module as
 * it was: none started again, none stopped, and what was found damaged is said.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '../system/fleet.ts'
import { FaultFleet } from './fault-fleet.ts'

const FLEET = `secrets: { TG: { env: HOME } }
defaults:
  ready: { delay: 50ms }
  restart: { delay: 100ms, multiplier: 1, budget: [100/1m] }
  stop: { grace: 2s }
modules:
  luka: { command: [sleep, "1000"], secrets: [TG] }
  roko: { command: [sh, -c, "echo begun; exec sleep 1000"] }
`
const NAMES = ['luka', 'roko']

/** What is done to a path; false: nothing to do it to. */
const SURGERIES: Readonly<Record<string, (path: string) => void>> = {
  emptied: path => writeFileSync(path, ''),
  'cut in half': path => writeFileSync(path, readFileSync(path).subarray(0, lstatSync(path).size >> 1)),
  'filled with rubbish': path => writeFileSync(path, Buffer.alloc(5000, 0xa5)),
  'flipped in one bit': path => {
    const bytes = readFileSync(path)
    if (bytes.length > 0) bytes[bytes.length >> 1]! ^= 4
    writeFileSync(path, bytes)
  },
  'made unreadable': path => chmodSync(path, 0o000),
  'a directory': path => {
    rmSync(path, { recursive: true })
    mkdirSync(join(path, 'within'), { recursive: true })
  },
  'a link to a stranger': path => {
    rmSync(path, { recursive: true })
    symlinkSync('../stranger', path)
  },
  'a FIFO': path => {
    rmSync(path, { recursive: true })
    execFileSync('mkfifo', [path])
  },
  gone: path => rmSync(path, { recursive: true }),
}

class Patient extends FaultFleet {
  before: Record<string, number[]> = {}

  static async admit(): Promise<Patient> {
    const fleet = new Patient(FLEET, NAMES)
    fleet.write('stranger', 'must stay as it is\n')
    await fleet.up()
    await fleet.armed()
    fleet.before = fleet.pids()
    return fleet
  }

  /** The keeper is stopped, `surgery` done, the keeper killed; returns when its successor has adopted. */
  async operate(surgery: () => void): Promise<void> {
    const keeper = await this.armed()
    process.kill(keeper.pid, 'SIGSTOP')
    try {
      surgery()
    } finally {
      process.kill(keeper.pid, 'SIGKILL')
    }
    await until('its successor serves', 10_000, () => {
      const look = this.look()
      return look.keeperServes && look.keeper?.pid !== keeper.pid
    })
  }

  async assertUntouched(what: string): Promise<void> {
    const status = await until(`${what}: all is ready`, 10_000, async () => {
      const seen = await this.seen()
      return seen?.modules.length === 2 && seen.modules.every(module => module.state === 'ready') && seen
    })
    assert.deepEqual(this.pids(), this.before, what)
    for (const module of status.modules) assert.equal(module.pid, this.before[module.name]?.[0], what)
    assert.equal(this.read('stranger'), 'must stay as it is\n', what)
  }
}

async function operateOnAll(t: TestContext, targets: (fleet: Patient) => readonly string[]): Promise<void> {
  const fleet = await Patient.admit()
  let count = 0
  try {
    for (const [name, surgery] of Object.entries(SURGERIES)) {
      for (const target of targets(fleet)) {
        const path = join(fleet.stateDir, target)
        const what = `${target} ${name}`
        if (!existsSync(path)) continue
        await fleet.operate(() => surgery(path))
        await fleet.assertUntouched(what)
        count++
      }
    }
    // Secrets that were lost come from the next `up`.
    await fleet.up()
    await fleet.assertUntouched('after the next up')
    const [pid] = fleet.before.luka as [number]
    process.kill(pid, 'SIGKILL')
    await until('luka is back', 5000, () => fleet.pids().luka?.some(found => found !== pid))
    assert.deepEqual(fleet.observer.doubled, [])
    await fleet.expect(0, 'status', '--json')
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
    t.diagnostic(`${count} operations`)
  } finally {
    fleet.end()
  }
}

test('F11: whatever happens to what the keeper remembers of its children, no module notices', async t => {
  await operateOnAll(t, () => ['children.json', 'children.json.log.0', 'children.json.log.1'])
})

test('F11: whatever happens to the records of live runs, none is started a second time', async t => {
  await operateOnAll(t, fleet => {
    const names = readdirSync(join(fleet.stateDir, 'runs')).filter(name => name.endsWith('.json'))
    return names.slice(0, 1).map(name => `runs/${name}`)
  })
})

test('F11: whatever happens to journal and secrets, the fleet goes on', async t => {
  let kept: Buffer | null = null
  await operateOnAll(t, fleet => {
    const path = join(fleet.stateDir, 'secrets.env')
    kept ??= readFileSync(path)
    if (!existsSync(path)) writeFileSync(path, kept, { mode: 0o600 })
    return ['events.journal', 'secrets.env']
  })
})

test('F11: whatever happens to the archive, a log and its index, the fleet goes on', async t => {
  await operateOnAll(t, fleet => [
    'archive.db',
    ...readdirSync(join(fleet.stateDir, 'logs'))
      .filter(name => /^roko\.(?:idx|base)$/.test(name))
      .map(name => `logs/${name}`),
  ])
})

test('F11: a damaged plan is answered by the one before, and that is said', async t => {
  const fleet = await Patient.admit()
  try {
    fleet.write('mark.yaml', `${FLEET}  dabi: { command: [sleep, "1000"] }\n`)
    await fleet.expect(0, 'up', '-d', 'luka')
    const kept = join(fleet.dir, 'kept')
    mkdirSync(kept)
    for (const name of ['plan.json', 'plan.json.bak']) cpSync(join(fleet.stateDir, name), join(kept, name))
    for (const [name, surgery] of Object.entries(SURGERIES)) {
      await fleet.operate(() => surgery(join(fleet.stateDir, 'plan.json')))
      const status = await until('it answers', 5000, () => fleet.seen())
      assert.deepEqual(fleet.pids(), fleet.before, name)
      // As root a file without permissions can be read all the same.
      const harmless = name === 'gone' || (name === 'made unreadable' && process.getuid?.() === 0)
      const said = status.degraded.some(what => /plan\.json was unreadable and is kept as/.test(what))
      assert.equal(said, !harmless, `${name}: ${status.degraded}`)
      cpSync(join(kept, 'plan.json'), join(fleet.stateDir, 'plan.json'))
      cpSync(join(kept, 'plan.json.bak'), join(fleet.stateDir, 'plan.json.bak'))
    }
    t.diagnostic(
      `${readdirSync(fleet.stateDir).filter(name => name.includes('.corrupt-')).length} kept aside`,
    )
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})

test('F11: with plan, memory and backups gone a keeper holds every run, and `up` mends it', async () => {
  const fleet = await Patient.admit()
  try {
    await fleet.operate(() => {
      for (const name of readdirSync(fleet.stateDir).filter(name => /^(?:plan|children)\.json/.test(name)))
        rmSync(join(fleet.stateDir, name))
    })
    await until('it answers', 5000, () => fleet.seen())
    assert.deepEqual(fleet.pids(), fleet.before)
    await fleet.expect(0, 'up', '-d')
    await fleet.assertUntouched('after the next up')
    assert.deepEqual(fleet.observer.doubled, [])
    await fleet.expect(0, 'down')
  } finally {
    fleet.end()
  }
})

test('F11: a damaged kill halts all, and a damaged halt file goes with the release', async () => {
  for (const name of ['emptied', 'cut in half', 'a directory', 'a FIFO', 'a link to a stranger']) {
    const fleet = await Patient.admit()
    try {
      await fleet.expect(0, 'kill', 'luka', '--reason', 'drill')
      const [entry] = readdirSync(join(fleet.stateDir, 'kill.latch')).filter(found => found.endsWith('.json'))
      const latch = join(fleet.stateDir, 'kill.latch', entry as string)
      await fleet.operate(() => {
        // Half of the block is padding: the record would still be whole.
        if (name === 'cut in half') writeFileSync(latch, readFileSync(latch).subarray(0, 100))
        else SURGERIES[name]?.(latch)
        SURGERIES[name]?.(join(fleet.stateDir, 'halt', 'luka'))
      })
      await until(`${name}: all is stopped`, 10_000, () => Object.keys(fleet.pids()).length === 0)
      assert.match((await fleet.expect(5, 'up', '-d')).stderr, /MARK_LATCHED/)
      const id = (entry as string).replace('.json', '')
      await fleet.expect(0, 'kill', 'release', id, '--reason', 'over')
      assert.deepEqual(readdirSync(join(fleet.stateDir, 'halt')), [], name)
      await fleet.up()
      await fleet.expect(0, 'down')
    } finally {
      fleet.end()
    }
  }
})

test('F11: whatever happens to keeper.lock there is one keeper, and the fleet is found again', async () => {
  for (const name of ['filled with rubbish', 'made unreadable', 'gone', 'a directory']) {
    const fleet = await Patient.admit()
    try {
      await fleet.armed()
      SURGERIES[name]?.(join(fleet.stateDir, 'keeper.lock'))
      await fleet.up()
      assert.deepEqual(fleet.pids(), fleet.before, name)
      fleet.killMark()
      await fleet.up()
      await fleet.assertUntouched(name)
      await fleet.expect(0, 'down')
      assert.deepEqual(fleet.observer.everything(), [], name)
    } finally {
      fleet.end()
    }
  }
})
