/** F17, F18, F19: the daemon or a module runs out of memory, and a module forks without end. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cgroups } from '../../src/host/cgroup.ts'
import { isLive, statOf } from '../chaos/proc.ts'
import { until } from '../system/fleet.ts'
import { FaultFleet, isRoot, livingIn, repetitions } from './fault-fleet.ts'

const perl = existsSync('/usr/bin/perl')
const { can } = Cgroups.open({ key: 'probe', libc: null })
const MEMORY = '/sys/fs/cgroup/memory'
const DEFAULTS =
  'defaults: { restart: { delay: 50ms, multiplier: 1, budget: [9999/1d] }, ready: { delay: 20ms } }'

const noMemory =
  isRoot && existsSync(MEMORY) ? false : 'a limit for the daemon needs root and v1 control groups'
test('F17: a daemon that the kernel kills for want of memory is replaced, and no module notices', {
  skip: noMemory,
}, async () => {
  const fleet = new FaultFleet(`${DEFAULTS}\nmodules:\n  luka: { command: [sleep, "1000"] }\n`, ['luka'])
  const group = join(MEMORY, `mark-f17-${process.pid}`)
  mkdirSync(group)
  try {
    await fleet.up()
    const luka = fleet.pidOf('luka')
    const keeper = (await fleet.armed()).pid
    for (let round = 0; round < repetitions(1, 20); round++) {
      const daemon = (await until('a daemon serves', 15_000, () => fleet.look().daemon)).pid
      writeFileSync(join(group, 'memory.limit_in_bytes'), '1M')
      writeFileSync(join(group, 'cgroup.procs'), String(daemon))
      await until('it was killed', 20_000, async () => {
        void fleet.mark('status')
        await new Promise(resolve => setTimeout(resolve, 200))
        return !isLive(statOf(daemon))
      })
      await until('another daemon lives', 15_000, () => {
        const now = fleet.look().daemon
        return now !== null && now.pid !== daemon
      })
      const exit = fleet.events('exited', '@daemon').at(-1)
      assert.deepEqual([exit?.data.signal, exit?.data.pid], ['SIGKILL', daemon])
    }
    assert.match(readFileSync(join(group, 'memory.oom_control'), 'utf8'), /oom_kill [1-9]/)
    assert.deepEqual([fleet.pidOf('luka'), fleet.look().keeper?.pid], [luka, keeper])
  } finally {
    fleet.end()
    await until('the group is empty', 5000, () => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '')
    rmdirSync(group)
  }
})

test('F17: memory is taken from a module before the daemon, and from the daemon before the keeper', {
  skip: isRoot ? false : 'lowering a score needs root',
}, async t => {
  const fleet = new FaultFleet(`${DEFAULTS}\nmodules:\n  luka: { command: [sleep, "1000"] }\n`, ['luka'])
  const score = (pid: number): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'))
  const own = score(process.pid)
  try {
    await fleet.up()
    const keeper = (await fleet.armed()).pid
    if (score(keeper) === own) {
      t.skip('this account may not lower a score (CAP_SYS_RESOURCE)')
      return
    }
    const daemon = (await until('the daemon lives', 10_000, () => fleet.look().daemon)).pid
    assert.deepEqual([score(fleet.pidOf('luka')), score(daemon), score(keeper)], [own, -500, -900])
    process.kill(keeper, 'SIGKILL')
    await until(
      'it is succeeded',
      10_000,
      () => fleet.look().keeperServes && fleet.look().keeper?.pid !== keeper,
    )
    await fleet.tell('restart', 'luka')
    await fleet.settled('luka', /ready/)
    assert.equal(score(fleet.pidOf('luka')), own, 'its successor does not pass its own on')
  } finally {
    fleet.end()
  }
})

const noLimits =
  can.memory && perl ? false : 'this host offers no limit of memory to this account, or no perl'
const OOMS = repetitions(2, 20)
test(`F18: a module past its limit of memory is restarted, its end named out of memory, ${OOMS} times`, {
  skip: noLimits,
}, async () => {
  const fleet = new FaultFleet(
    `${DEFAULTS}
modules:
  hog:
    command: [/usr/bin/perl, -e, 'sleep 1 until -e "go"; unlink "go"; my @x; push @x, "a" x (1<<20) while 1']
    limits: { memory: 48M }
  killed: { command: [sleep, "1000"], limits: { memory: 48M } }
`,
    ['hog', 'killed'],
  )
  try {
    await fleet.up()
    for (let round = 0; round < OOMS; round++) {
      await fleet.settled('hog', /ready/)
      const pid = fleet.pidOf('hog')
      fleet.write('go', '')
      await until('it was killed', 20_000, () => !isLive(statOf(pid)))
      await until('its exit is told', 5000, () => fleet.events('exited', 'hog').length === round + 1)
      const exit = fleet.events('exited', 'hog').at(-1)
      assert.deepEqual([exit?.data.signal, exit?.data.oom], ['SIGKILL', true])
      assert.match(String(exit?.data.reason), /out of memory/)
    }
    process.kill(fleet.pidOf('killed'), 'SIGKILL')
    await until('its exit is told', 5000, () => fleet.events('exited', 'killed').length === 1)
    assert.equal(fleet.events('exited', 'killed')[0]?.data.oom, false, 'a kill is not called out of memory')
  } finally {
    await fleet.mark('down')
    fleet.end()
  }
})

const BOMBS = repetitions(1, 10)
/** With a bound of its own, so that a host survives the day this fails. */
const BOMB = `my $n = 0; while (1) { fork; exit if ++$n > 12; select undef, undef, undef, 0.02 }`
for (const [how, limits, skip] of [
  [
    'with a limit of processes',
    'limits: { pids: 50 }, ',
    can.pids && perl ? false : 'no limit of processes here',
  ],
  ['without a limit', '', perl ? false : 'perl is not installed here'],
] as const) {
  test(`F19: a fork bomb ${how} is ended whole within 2 s, ${BOMBS} times`, { skip }, async t => {
    const fleet = new FaultFleet(
      `${DEFAULTS}
modules:
  bomb:
    command: [/usr/bin/perl, -e, 'if (!fork) { ${limits ? 'fork while 1' : BOMB} } sleep 1 while 1']
    working_dir: bomb
    ${limits}stop: { grace: 50ms }
  calm: { command: [sleep, "1000"] }
`.replace(/(limits: \{ pids: 50 \}), stop/, '$1\n    stop'),
      ['bomb', 'calm'],
    )
    const dir = join(realpathSync(fleet.dir), 'bomb')
    mkdirSync(dir)
    try {
      await fleet.up()
      const calm = fleet.pidOf('calm')
      const took: number[] = []
      let most = 0
      for (let round = 0; round < BOMBS; round++) {
        await until('it has gone off', 15_000, () => livingIn(dir).length >= 45)
        most = Math.max(most, livingIn(dir).length)
        const began = performance.now()
        await fleet.tell('stop', 'bomb')
        await fleet.settled('bomb', /stopped/)
        took.push(performance.now() - began)
        assert.deepEqual(livingIn(dir), [])
        await fleet.tell('start', 'bomb')
      }
      t.diagnostic(`${most} processes at most, ended in at most ${Math.round(Math.max(...took))} ms`)
      if (limits) assert.ok(most <= 50, `${most} processes`)
      assert.ok(Math.max(...took) < 2000, `${took.map(Math.round)} ms`)
      assert.equal(fleet.pidOf('calm'), calm)
    } finally {
      await fleet.mark('down')
      fleet.end()
    }
  })
}
