/**
 * One chaos run: a paper fleet that also crashes by itself, kills by a seeded plan, ten quiet seconds, `mark
 * down`, and the oracle's judgement. Prints as it goes; returns the exit status.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PaperFleet } from './fleet.ts'
import { readJournal } from './journal.ts'
import { Killer } from './killer.ts'
import { type Look, Observer } from './observer.ts'
import { deathsOf, logTrailOf, startsOf } from './paper-trail.ts'
import { type Check, checkLines, countsOf, shortfalls, spread, table } from './report.ts'
import { minimaFor, planOf } from './schedule.ts'
import { judge } from './verdict.ts'

export interface RunOptions {
  readonly kills: number
  readonly seed: number
  readonly say: (text: string) => void
}

export const OK = 0
export const FAILED = 1
export const VOID = 2

const LOOK_EVERY_MS = 50
const UP_MS = 120_000
const DOWN_MS = 90_000
/** After the last fault each module must be back within this. */
const BACK_MS = 10_000
/**
 * A module that waits for what it depends on, while MARK itself is killed again and again, may be away this
 * long.
 */
const AWAY_MS = 60_000

export async function run(fleet: PaperFleet, { kills, seed, say }: RunOptions): Promise<number> {
  const began = Date.now()
  const observer = new Observer(fleet.stateDir, fleet.modules)
  const killer = new Killer(fleet, observer)
  const up = await fleet.mark(['up', '-d'], UP_MS)
  if (up.code !== 0) {
    say(`FAIL \`mark up -d\` ended with ${up.code}: ${up.stderr.trim()}`)
    return FAILED
  }
  observer.start(LOOK_EVERY_MS)
  await killer.served()
  const steps = planOf(kills, seed)
  say(`${fleet.modules.length} modules up, ${steps.length} strokes to come`)
  await killer.run(steps, (done, struck) => {
    if (done % 25 === 0)
      say(`  ${done} strokes, ${struck} kills, ${Math.round((Date.now() - began) / 1000)} s`)
  })
  const back = await whenWhole(killer)
  const downMs = Date.now()
  const down = await fleet.mark(['down'], DOWN_MS)
  observer.stop()
  const left = observer.everything()
  const checks = [
    ...processChecks(observer, killer, back),
    check(`\`mark down\` took ${Date.now() - downMs} ms, ended with 0 and left nothing`, [
      ...(down.code === 0 ? [] : [`ended with ${down.code}: ${down.stderr.trim()}`]),
      ...left.map(seen => `${seen.role} ${seen.module} ${seen.pid} still lives`),
    ]),
  ]
  return await conclude({ fleet, observer, killer, checks, downMs, began, kills, seed, say })
}

interface Ending {
  readonly fleet: PaperFleet
  readonly observer: Observer
  readonly killer: Killer
  readonly checks: readonly Check[]
  readonly downMs: number
  readonly began: number
  readonly kills: number
  readonly seed: number
  readonly say: (text: string) => void
}

async function conclude({
  fleet,
  observer,
  killer,
  checks,
  downMs,
  began,
  kills,
  seed,
  say,
}: Ending): Promise<number> {
  const journal = readJournal(fleet.stateDir)
  const facts = {
    events: journal.events,
    history: observer.history,
    kills: killer.kills,
    deaths: deathsOf(fleet.stateDir, fleet.modules),
    starts: startsOf(fleet.stateDir, fleet.modules),
    blind: observer.blind,
    downMs,
  }
  writeFileSync(join(fleet.dir, 'chaos.json'), JSON.stringify({ seed, ...facts, starts: [...facts.starts] }))
  const verdict = judge(facts)
  const trails = fleet.modules.map(name => logTrailOf(fleet.stateDir, name))
  const sum = (of: (trail: (typeof trails)[number]) => number): number =>
    trails.reduce((all, one) => all + of(one), 0)
  const books = await booksOf(fleet)
  const counts = countsOf(killer.kills)
  const rows: [string, string | number][] = [
    ['kills of keeper / daemon / modules', `${counts.keeper} / ${counts.daemon} / ${counts.module}`],
    ['kills of the armed successor', counts.waiting],
    ['keeper and daemon within 50 ms', counts.pairs],
    ['keepers killed while adopting', counts.adopting],
    ['all of MARK gone, back by `mark status`', killer.revivals.length],
    ['keeper killed to successor serving, ms (p50 / max)', spread(successions(observer, killer))],
    ['runs / exits in the journal', `${verdict.runs} / ${verdict.exits}`],
    [
      'ended by a kill / by themselves / by MARK',
      `${verdict.killed} / ${verdict.ownDeaths} / ${verdict.asked}`,
    ],
    ['exits unknown, keeper and daemon both dead', verdict.unseen],
    ['runs recorded whose spawn never came', verdict.unborn],
    ['runs untouched by a kill of MARK', verdict.untouched],
    ['longest absence of a module, ms', Math.max(...observer.longestGap.values())],
    ['looks at /proc', observer.looks],
    ['log lines / torn at a page', `${sum(trail => trail.lines)} / ${sum(trail => trail.torn)}`],
    ['fills', books.fills],
    ['took, s', Math.round((Date.now() - began) / 1000)],
  ]
  const all = [
    ...checks,
    check(
      'every exit is in the journal exactly once and is the truth; nobody else was touched',
      verdict.problems,
    ),
    check('the journal is whole', [
      ...journal.problems,
      ...(journal.ids.size === 1 ? [] : ['it changed its name']),
    ]),
    check(
      'every log line is there once, in order and whole',
      trails.flatMap(trail => trail.problems),
    ),
    check("cash and positions agree with the exchange's ledger", books.problems),
  ]
  say(`seed ${seed}, ${kills} kills\n${table(rows)}\n${checkLines(all)}`)
  if (all.some(({ problems }) => problems.length > 0)) return FAILED
  const missing = shortfalls(counts, books.fills, minimaFor(kills))
  if (missing.length > 0) say(`void: ${missing.join('; ')}`)
  return missing.length > 0 ? VOID : OK
}

function processChecks(observer: Observer, killer: Killer, back: number | null): Check[] {
  const gaps = [...observer.longestGap].filter(([, gap]) => gap > AWAY_MS)
  return [
    check(`0 modules lost: all back ${back ?? '?'} ms after the last fault`, [
      ...killer.problems,
      ...(back === null ? [`not every module had one live process within ${BACK_MS} ms`] : []),
      ...gaps.map(([name, gap]) => `${name} was away for ${gap} ms`),
    ]),
    check('0 modules doubled at any look', observer.doubled),
  ]
}

function check(says: string, problems: readonly string[]): Check {
  return { says, problems }
}

/** Ms until keeper, daemon and one process of each module live at one look; null: not within BACK_MS. */
async function whenWhole(killer: Killer): Promise<number | null> {
  const began = Date.now()
  const isWhole = (look: Look): boolean =>
    look.keeperServes && look.daemonWitnesses && [...look.modules.values()].every(runs => runs.length === 1)
  while (Date.now() - began < BACK_MS) {
    const look = await killer.served()
    if (look && isWhole(look)) return Date.now() - began
    await sleep(LOOK_EVERY_MS)
  }
  return null
}

interface Books {
  readonly fills: number
  readonly problems: string[]
}

/** `down` lets TEEA finish the order in hand; only if TEEA was just then down itself may one be open. */
async function booksOf(fleet: PaperFleet): Promise<Books> {
  const first = await fleet.verify(false)
  const result = JSON.parse(first.stdout) as { ok: boolean; fills: number; in_flight: number; reason: string }
  return { fills: result.fills, problems: result.ok ? [] : [result.reason] }
}

/**
 * Ms from the kill of a keeper to its armed successor serving, where nothing else was done to MARK meanwhile.
 */
function successions({ blind }: Observer, { kills, revivals }: Killer): number[] {
  const keepers = kills.filter(kill => kill.target === 'keeper' || kill.target === 'waiting')
  return keepers.flatMap(({ atMs, armed, target }) => {
    const span = blind.keeper.find(({ fromMs, toMs }) => fromMs >= atMs - LOOK_EVERY_MS && toMs > atMs)
    const until = span?.toMs ?? Number.POSITIVE_INFINITY
    const others = [...keepers.map(kill => kill.atMs).filter(ms => ms !== atMs), ...revivals]
    const alone = !others.some(ms => ms >= atMs - 1000 && ms <= until)
    return armed && alone && target === 'keeper' && Number.isFinite(until) ? [until - atMs] : []
  })
}
