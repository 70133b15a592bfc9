/**
 * F2: SIGKILL of the keeper at the Nth of each of its system calls that write, start or signal, for every N
 * until what it was doing ends without it. In CI N = 1, 2, 4, ... within a budget of time, other calls in
 * every run; with MARK_FAULTS=long every N of every call.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isLive, statOf } from '../chaos/proc.ts'
import { until } from '../system/fleet.ts'
import { OtherVersion } from '../system/other-version.ts'
import { join } from 'node:path'
import { FaultFleet } from './fault-fleet.ts'
import {
  assertTrail,
  markIsBack,
  SCENARIO_FLEET,
  SCENARIO_MODULES,
  SCENARIOS,
  type Scenario,
} from './kill-scenarios.ts'

const CALLS = [
  ...['write', 'pwrite64', 'writev', 'rename', 'renameat2', 'unlink', 'unlinkat', 'mkdir', 'rmdir', 'link'],
  ...['symlink', 'openat', 'close', 'ftruncate', 'fallocate', 'fsync', 'fdatasync', 'flock', 'bind', 'chmod'],
  ...['vfork', 'clone', 'clone3', 'kill', 'pidfd_send_signal', 'pidfd_open', 'waitid', 'wait4', 'execve'],
  ...['prlimit64', 'sendto', 'shutdown', 'epoll_ctl'],
]
const LONG = process.env.MARK_FAULTS === 'long'
const BUDGET_MS = Number(process.env.MARK_SYSCALL_BUDGET_MS ?? (LONG ? Number.POSITIVE_INFINITY : 5000))
const SEED = Number(process.env.MARK_SEED ?? Date.now() % 100_000)
const strace =
  spawnSync('strace', ['-qq', '-e', 'inject=write:signal=CONT:when=1', 'true']).status === 0
    ? false
    : 'there is no strace here that may inject signals'

/** What dies: the keeper itself, or the process that succeeds it. */
interface Victim {
  readonly pid: number
  readonly begin: () => Promise<void>
}

async function trace(pid: number, call: string, nth: number): Promise<ChildProcess> {
  const status = `/proc/${pid}/status`
  const inject = `inject=${call}:signal=KILL:when=${nth}`
  const argv = ['-qq', '-o', '/dev/null', '-p', String(pid), '-e', `trace=${call}`, '-e', inject]
  const tracer = spawn('strace', argv, { stdio: 'ignore' })
  // It may die of it at once.
  await until('strace is attached', 5000, () => !existsSync(status) || isTraced(status))
  return tracer
}

function isTraced(status: string): boolean {
  try {
    return /^TracerPid:\t[1-9]/m.test(readFileSync(status, 'utf8'))
  } catch {
    return true
  }
}

/** Kills at the Nth `call` of the victim. True: it died of it. */
async function killAt(
  fleet: FaultFleet,
  scenario: Scenario,
  victim: (keeper: number) => Victim,
  call: string,
  nth: number,
): Promise<boolean> {
  await scenario.before(fleet)
  const bystander = fleet.pidOf('b')
  const { pid, begin } = victim((await fleet.armed()).pid)
  const tracer = await trace(pid, call, nth)
  let answered = false
  try {
    await begin()
    answered = await scenario.act(fleet).then(
      () => true,
      () => false,
    )
  } finally {
    tracer.kill('SIGTERM')
  }
  const died = !isLive(statOf(pid))
  await markIsBack(fleet)
  try {
    await scenario.settle(fleet, answered)
    assert.equal(fleet.pidOf('b'), bystander, 'its neighbour was touched')
    fleet.assertSound()
  } catch (error) {
    throw new Error(`killed at ${call} number ${nth}: ${(error as Error).message}`, { cause: error })
  }
  return died
}

async function everyCall(
  scenario: Scenario,
  victim: (keeper: number) => Victim,
  prepare: (fleet: FaultFleet) => void = () => {},
): Promise<string> {
  const fleet = new FaultFleet(SCENARIO_FLEET, SCENARIO_MODULES)
  let kills = 0
  let over = 0
  try {
    await fleet.up()
    prepare(fleet)
    const until = performance.now() + BUDGET_MS
    const first = SEED % CALLS.length
    for (const call of [...CALLS.slice(first), ...CALLS.slice(0, first)]) {
      for (let nth = 1; performance.now() < until; nth = LONG ? nth + 1 : nth * 2) {
        if (!(await killAt(fleet, scenario, victim, call, nth))) break
        kills++
      }
      if (performance.now() < until) over++
    }
    await assertTrail(fleet)
    await fleet.expect(0, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
  } finally {
    fleet.end()
  }
  return `${kills} kills, ${over} of ${CALLS.length} calls to their end, seed ${SEED}`
}

const self = (pid: number): Victim => ({ pid, begin: async () => {} })

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(`F2: a keeper killed at any system call of a ${name} costs nothing`, { skip: strace }, async t => {
    t.diagnostic(await everyCall(scenario, self))
  })
}

/** Nothing is asked; all that ran runs on, as the same processes. */
function unharmed(act: (fleet: FaultFleet) => Promise<void>): Scenario {
  let before = {}
  return {
    async before(fleet) {
      await SCENARIOS.crash?.before(fleet)
      before = fleet.pids()
    },
    act,
    settle: async fleet => assert.deepEqual(fleet.pids(), before),
  }
}

test('F2: a successor killed at any system call of its take-over costs nothing', {
  skip: strace,
}, async t => {
  let fleet: FaultFleet
  let old = 0
  const victim = (keeper: number): Victim => {
    old = keeper
    const heir = fleet.look().waiting[0]?.pid as number
    return { pid: heir, begin: async () => void process.kill(keeper, 'SIGKILL') }
  }
  const scenario = unharmed(async () => {
    await until('it is the keeper', 2000, () => fleet.look().keeper?.pid !== old && fleet.look().keeperServes)
    await fleet.armed(1000)
  })
  const note = await everyCall(scenario, victim, one => {
    fleet = one
  })
  t.diagnostic(note)
})

test('F2: a keeper killed at any system call of an upgrade costs nothing', { skip: strace }, async t => {
  let next: OtherVersion
  const scenario = unharmed(async fleet => {
    const { code } = await next.mark(fleet, 'upgrade', '--force')
    if (code !== 0) throw new Error('refused')
  })
  const note = await everyCall(scenario, self, fleet => {
    next = new OtherVersion(join(fleet.dir, 'next'), '99.1.0')
  })
  t.diagnostic(note)
})
