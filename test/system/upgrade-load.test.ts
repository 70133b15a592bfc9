/**
 * Upgrades, one after the other, while modules crash and print: every death is known as it was, and every
 * line is there. MARK_UPGRADES=200 for a long run.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ended, Fleet, until } from './fleet.ts'
import { OtherVersion } from './other-version.ts'

const ROUNDS = Number(process.env.MARK_UPGRADES ?? 20)
const STEADY = ['luka', 'roko']
const FLAPPING = ['dabi', 'elko', 'fimo', 'gana']

/** Prints numbered lines, faster than anything else here happens. */
const PRINTER = `let n = 0
const more = () => {
  for (let i = 0; i < 20; i++) process.stdout.write(\`line \${++n} of the printer\\n\`)
}
process.on('SIGTERM', () => { more(); process.stdout.write(\`last \${n}\\n\`, () => process.exit(0)) })
setInterval(more, 5)
`
/** Lives for an instant, writes down how it is going to die, and dies so. */
const FLAPPER = `#!/bin/sh
sleep "0.$(($$ % 3))$(($$ % 10))"
if [ $(($$ % 3)) = 0 ]; then
  echo "$MARK_RUN_ID SIGKILL" >> "$1"
  kill -KILL $$
fi
echo "$MARK_RUN_ID $(($$ % 40 + 20))" >> "$1"
exit $(($$ % 40 + 20))
`
const config = (node: string): string => `defaults:
  restart: { delay: 20ms, multiplier: 1, jitter: 0, budget: [10000/1d] }
  ready: { delay: 20ms }
  stop: { grace: 5s }
modules:
  printer: { command: [${node}, printer.mjs] }
${STEADY.map(name => `  ${name}: { command: [sleep, "100000"] }`).join('\n')}
${FLAPPING.map(name => `  ${name}: { command: [./flapper, deaths.${name}] }`).join('\n')}
`

test(`${ROUNDS} upgrades under load: same process, no restart, no exit and no line lost`, async t => {
  const fleet = new Fleet(config(process.execPath), [...STEADY, 'printer'])
  try {
    fleet.write('printer.mjs', PRINTER)
    fleet.write('flapper', FLAPPER, 0o755)
    const versions = ['98.0.0', '99.0.0'].map(name => new OtherVersion(join(fleet.dir, name), name))
    // Not all is ready for long enough: what flaps is not what is waited for.
    await versions[0]?.mark(fleet, 'up', '-d', '--timeout', '3s')
    const keeper = await until('a keeper serves', 10_000, () => {
      const look = fleet.look()
      return look.keeperServes && look.keeper
    })
    const pids = await until('all run', 10_000, () => {
      const all = fleet.pids()
      return Object.keys(all).length === 3 && all
    })
    const took: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      const next = versions[round % 2] as OtherVersion
      const answers = asking(fleet, (round * 37) % 700)
      const { stdout, tookMs } = await next.expect(0, fleet, 'upgrade')
      assert.match(stdout, new RegExp(`-> ${next.version}: same keeper pid ${keeper.pid}, `))
      took.push(tookMs)
      const { code, stdout: status } = await answers
      assert.deepEqual([code, JSON.parse(status).keeper?.pid], [0, keeper.pid], 'whoever asks meanwhile')
    }
    assert.deepEqual(fleet.pids(), pids)
    const last = versions[ROUNDS % 2] as OtherVersion
    await last.expect(0, fleet, 'down')
    assert.deepEqual(fleet.observer.everything(), [])
    assert.equal(fleet.events('upgraded').length, ROUNDS)
    const deaths = FLAPPING.reduce((sum, name) => sum + provenDeaths(fleet, name), 0)
    const lines = provenLines(fleet)
    took.sort((a, b) => a - b)
    const half = Math.round(took[took.length >> 1] as number)
    const worst = Math.round(took.at(-1) as number)
    t.diagnostic(`${deaths} deaths, ${lines} lines; an upgrade took ${half} ms (p50), ${worst} ms (worst)`)
  } finally {
    fleet.end()
  }
})

/** `mark status`, begun at some moment of the upgrade. */
async function asking(fleet: Fleet, afterMs: number): Promise<Ended> {
  await sleep(afterMs)
  return await fleet.mark('status', '--json')
}

/** How many deaths this module wrote down; each is in the journal once, as it was. */
function provenDeaths(fleet: Fleet, module: string): number {
  const told = fleet.events('exited', module)
  const runs = new Set(told.map(event => event.run_id))
  assert.equal(runs.size, told.length, `${module}: an exit was told twice`)
  const started = fleet.events('started', module).map(event => event.run_id)
  assert.deepEqual([...started].sort(), [...runs].sort(), `${module}: every start has its exit`)
  const known = new Map(told.map(({ run_id, data }) => [run_id, `${data.known} ${data.signal ?? data.code}`]))
  const deaths = fleet.read(`deaths.${module}`).trim().split('\n')
  for (const death of deaths) {
    const [run = '', how = ''] = death.split(' ')
    const said = known.get(run)
    // The last one may have been stopped between its word and its deed.
    if (run === told.at(-1)?.run_id && said === 'true SIGTERM') continue
    assert.equal(said, `true ${how}`, `${module}: ${death}`)
  }
  const unasked = told.filter(event => event.data.asked !== true).length
  assert.ok(deaths.length >= unasked, `${module}: ${unasked} deaths are told, ${deaths.length} happened`)
  return deaths.length
}

function provenLines(fleet: Fleet): number {
  const lines = fleet.read('.mark/logs/printer.log').trim().split('\n')
  const end = lines.pop()
  assert.equal(end, `last ${lines.length}`)
  assert.ok(lines.every((line, index) => line === `line ${index + 1} of the printer`))
  return lines.length
}
