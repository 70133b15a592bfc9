/**
 * MARK on less: an older kernel, and no koffi. It may know less then, and says so; it is never wrong.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { ContainerProcess, whyNoProcessOne } from './container-process.ts'
import { copyWithout } from './degraded-copy.ts'
import { cleanEnv, type Ended, Fleet, until } from './fleet.ts'

const OLD = copyWithout('new kernel')
const BARE = copyWithout('koffi')
const RUNS = 12

function mark(bin: string, fleet: Fleet, ...words: readonly string[]): Promise<Ended> {
  const began = performance.now()
  return new Promise(resolve => {
    const options = { cwd: fleet.dir, env: cleanEnv(), timeout: 60_000, killSignal: 'SIGKILL' } as const
    execFile(bin, words, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, stdout, stderr, tookMs: performance.now() - began })
    })
  })
}

/** Modules that end with 20, 21, ... once the file `go` is there, and do not come back. */
function enders(): { config: string; names: string[] } {
  const names = Array.from({ length: RUNS }, (_, index) => `m${index}`)
  const line = (name: string, index: number): string =>
    `  ${name}: { command: [sh, -c, "while [ ! -e go ]; do sleep 0.05; done; exit ${20 + index}"] }`
  const defaults = 'defaults: { ready: { delay: 50ms }, restart: { policy: never }, stop: { grace: 2s } }'
  return { config: `${defaults}\nmodules:\n${names.map(line).join('\n')}\n`, names }
}

async function killKeeper(fleet: Fleet): Promise<void> {
  const keeper = await until('a keeper serves and its successor waits', 10_000, () => {
    const look = fleet.look()
    return look.keeperServes && look.waiting.length > 0 && look.keeper
  })
  process.kill(keeper.pid, 'SIGKILL')
}

/** Every module's one exit is right or unknown. Returns how many are known. */
async function judgeExits(fleet: Fleet, names: readonly string[], t: TestContext): Promise<number> {
  await until('all exits are told', 15_000, () =>
    names.every(name => fleet.events('exited', name).length === 1),
  )
  let known = 0
  for (const [index, name] of names.entries()) {
    const { data } = fleet.events('exited', name)[0] as ReturnType<Fleet['events']>[number]
    const expected = data.known ? [true, 20 + index, null] : [false, null, null]
    assert.deepEqual([data.known, data.code, data.signal], expected, name)
    assert.notEqual(data.evidence, 'pidfd', 'no such kernel, no such evidence')
    if (data.known) known++
  }
  t.diagnostic(`${known} of ${names.length} exits are known, none is wrong`)
  return known
}

test('below Linux 6.15 the exit of an adopted run is right or unknown, never invented', async t => {
  const { config, names } = enders()
  const fleet = new Fleet(config, names)
  try {
    assert.equal((await mark(OLD, fleet, 'up', '-d')).code, 0)
    await killKeeper(fleet)
    fleet.write('go', '')
    await judgeExits(fleet, names, t)
    assert.equal((await mark(OLD, fleet, 'down')).code, 0)
  } finally {
    fleet.end()
  }
})

const why = whyNoProcessOne()

test('below Linux 6.15, as process 1, every exit of an adopted run is right', {
  skip: why === null ? false : `SKIPPED: ${why}`,
}, async t => {
  const { config, names } = enders()
  const fleet = new Fleet(`${config}  stays: { command: [sleep, "1000"] }\n`, names)
  const container = new ContainerProcess(fleet, ['up'], { bin: OLD })
  try {
    await until('all are ready', 15_000, () => fleet.events('ready').length > RUNS)
    await killKeeper(fleet)
    fleet.write('go', '')
    assert.equal(await judgeExits(fleet, names, t), RUNS)
    container.signal('SIGTERM')
    assert.equal((await container.ended).code, 0, container.said)
  } finally {
    container.end()
    await container.ended
    fleet.end()
  }
})

test('below Linux 6.15, under an init that reaps at once, an exit is unknown rather than wrong', {
  skip: why === null ? false : `SKIPPED: ${why}`,
}, async t => {
  const { config, names } = enders()
  const fleet = new Fleet(config, names)
  const container = new ContainerProcess(fleet, ['-c', `${OLD} up -d; while :; do wait; sleep 0.01; done`], {
    bin: '/bin/sh',
  })
  try {
    await until('all are ready', 15_000, () => fleet.events('ready').length >= RUNS)
    await killKeeper(fleet)
    fleet.write('go', '')
    await judgeExits(fleet, names, t)
  } finally {
    container.end()
    await container.ended
    fleet.end()
  }
})

const TREE = `defaults: { ready: { delay: 50ms }, restart: { delay: 100ms }, stop: { grace: 2s } }
modules:
  luka: { command: [sh, -c, 'setsid sh -c "setsid sleep 1000 & exec sleep 1000" & exec sleep 1000'] }
  roko: { command: [sh, -c, 'sleep 0.3; exit 7'], restart: { policy: never } }
`

test('without koffi `up` says once what is missing; own exits are exact, a stop is whole', async () => {
  const fleet = new Fleet(TREE, ['luka', 'roko'])
  try {
    const first = await mark(BARE, fleet, 'up', '-d', 'luka')
    assert.equal(first.code, 0, first.stderr)
    assert.equal(first.stderr.match(/degraded: koffi is missing/g)?.length, 1, first.stderr)
    assert.doesNotMatch((await mark(BARE, fleet, 'up', '-d', 'luka')).stderr, /koffi/)
    const status = await mark(BARE, fleet, 'status')
    assert.match(status.stdout + status.stderr, /degraded: koffi is missing/)
    assert.match((await mark(BARE, fleet, 'doctor')).stdout, /degraded +koffi/)

    await mark(BARE, fleet, 'start', 'roko')
    const exit = await until('roko ended', 5000, () => fleet.events('exited', 'roko')[0])
    assert.deepEqual([exit.data.known, exit.data.code, exit.data.evidence], [true, 7, 'wait'])

    const before = fleet.pids().luka?.[0] as number
    process.kill(before, 'SIGKILL')
    const crash = await until('luka ended', 5000, () => fleet.events('exited', 'luka')[0])
    assert.equal(crash.data.signal, 'SIGKILL')
    await until('it is back', 5000, () => fleet.pids().luka?.some(pid => pid !== before))
    assert.equal((await mark(BARE, fleet, 'stop', 'luka')).code, 0)
    const left = fleet.observer.everything().filter(seen => seen.module === 'luka')
    assert.deepEqual(left, [], 'nothing of either run is left, though nobody is a subreaper')
    assert.equal((await mark(BARE, fleet, 'down')).code, 0)
    assert.deepEqual(fleet.observer.everything(), [])
  } finally {
    fleet.end()
  }
})

test('without koffi a killed keeper is succeeded, and no exit is invented', async t => {
  const { config, names } = enders()
  const fleet = new Fleet(config, names)
  try {
    assert.equal((await mark(BARE, fleet, 'up', '-d')).code, 0)
    const before = fleet.pids()
    await killKeeper(fleet)
    await until('a successor serves', 10_000, () => fleet.look().keeperServes)
    assert.deepEqual(fleet.pids(), before)
    fleet.write('go', '')
    await judgeExits(fleet, names, t)
    assert.deepEqual(fleet.observer.doubled, [])
    assert.equal((await mark(BARE, fleet, 'down')).code, 0)
  } finally {
    fleet.end()
  }
})

test('without koffi neither sd_notify readiness nor real money is begun', async () => {
  const refused: readonly [config: string, sentence: RegExp][] = [
    ['modules: { luka: { command: [sleep, "9"], ready: notify } }', /luka is ready by sd_notify/],
    ['mode: REAL\nautonomy: AUTO\nmodules: { luka: { command: [sleep, "9"] } }', /moves real money/],
  ]
  for (const [config, sentence] of refused) {
    const fleet = new Fleet(`${config}\n`)
    try {
      const { code, stderr } = await mark(BARE, fleet, 'up', '-d')
      assert.equal(code, 5, stderr)
      assert.match(stderr, /error\[MARK_UNSUPPORTED\]: koffi cannot be loaded here/)
      assert.match(stderr, sentence)
      assert.deepEqual(fleet.observer.everything(), [])
    } finally {
      fleet.end()
    }
  }
})
