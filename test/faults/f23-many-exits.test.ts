/**
 * F23, F24, F34: exits by the thousand, each told exactly once; restarts asked for while a module crashes;
 * a configuration that changes again and again while a module flaps.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../system/fleet.ts'
import { FaultFleet, repetitions } from './fault-fleet.ts'

const perl = existsSync('/usr/bin/perl') ? false : 'perl is not installed here'
const FAST = 'restart: { delay: 10ms, multiplier: 1, jitter: 0, budget: [100000/1d] }, ready: { delay: 10ms }'
/** Those that hold a module, or keep it waiting, have tests of their own. */
const HOLDING = new Set([75, 77, 78, 11, 12])
const SIGNALS = ['HUP', 'INT', 'QUIT', 'ABRT', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM', 'TERM']

/** Writes down how it will die, then dies so. */
const DIES = `use POSIX ();
my ($name, $of) = @ARGV; my @ends = split / /, $of;
open(my $in, "<", "next-$name"); my $n = <$in> || 0; close $in;
exit(sleep 1000) if $n >= @ends;
open(my $next, ">", "next-$name"); print $next $n + 1; close $next;
open(my $list, ">>", "deaths-$name"); print $list "$ENV{MARK_RUN_ID} $ends[$n]\\n"; close $list;
if ($ends[$n] =~ /^[0-9]/) { POSIX::_exit($ends[$n]) }
$SIG{$ends[$n]} = "DEFAULT" unless $ends[$n] eq "KILL"; kill $ends[$n], $$; sleep 60`

const EXITS = Number(process.env.MARK_EXITS ?? repetitions(1000, 10_000))
const LANES = 10
test(`F23: ${EXITS} exits by code and by signal, each told once and exactly`, { skip: perl }, async t => {
  const codes = Array.from({ length: 256 }, (_, code) => code).filter(code => !HOLDING.has(code))
  const ways = [...codes.map(String), ...SIGNALS]
  const ends = Array.from({ length: EXITS }, (_, index) => ways[(index * 7) % ways.length] as string)
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    ends.filter((_end, index) => index % LANES === lane),
  )
  const modules = lanes.map(
    (_lane, index) =>
      `  m${index}: { command: [sh, -c, "exec perl dies.pl m${index} \\"$(cat ends-${index})\\""] }`,
  )
  const fleet = new FaultFleet(`defaults: { ${FAST} }\nmodules:\n${modules.join('\n')}\n`)
  const told = new Map<string, string[]>()
  const collect = (): void => {
    for (const { run_id, data, seq } of fleet.events('exited')) {
      const text = `${seq} ${data.known ? (data.signal ?? data.code) : 'unknown'}`
      const known = told.get(String(run_id)) ?? []
      if (!known.includes(text)) told.set(String(run_id), [...known, text])
    }
  }
  try {
    fleet.write('dies.pl', DIES)
    for (const [index, lane] of lanes.entries()) fleet.write(`ends-${index}`, lane.join(' '))
    const began = performance.now()
    await fleet.mark('up', '-d', '--timeout', '1s')
    const deaths = (): string[] =>
      lanes.flatMap((_lane, index) => fleet.read(`deaths-m${index}`).split('\n').filter(Boolean))
    await until('all have died', Number(process.env.MARK_TEST_LIMIT_MS ?? 240_000), async () => {
      await sleep(500)
      // The journal rolls, and what the archive has may go.
      collect()
      return deaths().length >= EXITS
    })
    const tookS = (performance.now() - began) / 1000
    for (let index = 0; index < LANES; index++) await fleet.settled(`m${index}`, /ready/)
    collect()
    for (const death of deaths()) {
      const [runId, how = ''] = death.split(' ')
      const expected = /^\d/.test(how) ? how : `SIG${how}`
      const said = told.get(runId as string)?.map(text => text.split(' ')[1])
      assert.deepEqual(said, [expected], death)
    }
    assert.equal(deaths().length, EXITS)
    t.diagnostic(`${EXITS} exits in ${tookS.toFixed(1)} s, 0 wrong, 0 lost, 0 doubled`)
  } finally {
    fleet.end()
  }
})

const RACES = repetitions(40, 1000)
test(`F24: a restart asked for while the module crashes, ${RACES} times: never two run`, async () => {
  const fleet = new FaultFleet(
    `defaults: { ${FAST}, stop: { grace: 1s } }\nmodules:\n  luka: { command: [sleep, "1000"] }\n`,
    ['luka'],
  )
  try {
    await fleet.up()
    const keeper = (await fleet.armed()).pid
    for (let race = 0; race < RACES; race++) {
      const pid = fleet.pidOf('luka')
      const asked = fleet.tell('restart', 'luka')
      await sleep(race % 8)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // The restart was faster.
      }
      await asked
      await until('another one is ready', 10_000, async () => {
        const view = await fleet.view('luka')
        return view?.state === 'ready' && view.pid !== pid && (fleet.pids().luka ?? []).length === 1
      })
    }
    fleet.assertSound()
    assert.equal(fleet.look().keeper?.pid, keeper)
  } finally {
    fleet.end()
  }
})

const CHANGES = repetitions(15, 1000)
test(`F34: ${CHANGES} changed configurations while a module flaps restart only what changed`, async () => {
  const config = (round: number): string => `defaults: { ${FAST}, stop: { grace: 1s } }
modules:
  same: { command: [sleep, "1000"] }
  changed: { command: [sleep, "1000"], environment: { ROUND: "${round}" } }
  flaps: { command: [sh, -c, "sleep 0.2; exit 1"] }
`
  const fleet = new FaultFleet(config(0), ['same', 'changed'])
  try {
    await fleet.up()
    const same = fleet.pidOf('same')
    const keeper = (await fleet.armed()).pid
    for (let round = 1; round <= CHANGES; round++) {
      const before = fleet.pidOf('changed')
      fleet.write('mark.yaml', config(round))
      const { code, stderr } = await fleet.mark('up', '-d', '--timeout', '10s')
      assert.ok(code === 0 || code === 1 || code === 6, stderr)
      await until('the changed one was replaced', 10_000, () => {
        const [pid, second] = fleet.pids().changed ?? []
        return pid !== undefined && pid !== before && second === undefined
      })
      assert.equal(fleet.pidOf('same'), same)
    }
    assert.equal(fleet.look().keeper?.pid, keeper)
    fleet.assertSound()
  } finally {
    fleet.end()
  }
})
