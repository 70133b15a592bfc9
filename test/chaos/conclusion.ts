/**
 * The end of a chaos run: everything that was seen and left on disk is judged, told in a table, and turned
 * into an exit status. Reads files; starts nothing but verify.py.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PaperFleet } from './fleet.ts'
import { type JobTrail, jobTrailOf } from './job-trail.ts'
import { type Journal, readJournal } from './journal.ts'
import type { Killer } from './killer.ts'
import type { Observer } from './observer.ts'
import { deathsOf, type LogTrail, logTrailOf, startsOf } from './paper-trail.ts'
import { type Check, type Counts, checkLines, countsOf, shortfalls, spread, table } from './report.ts'
import { minimaFor } from './schedule.ts'
import { STORM } from './storm.ts'
import { judge, type Verdict } from './verdict.ts'

export const OK = 0
export const FAILED = 1
export const VOID = 2

export interface Ending {
  readonly fleet: PaperFleet
  readonly observer: Observer
  readonly killer: Killer
  /** What was judged already. */
  readonly checks: readonly Check[]
  /** When `mark down` was asked for, ms since 1970. */
  readonly downMs: number
  readonly tookMs: number
  readonly kills: number
  readonly seed: number
  readonly say: (text: string) => void
}

interface Findings extends Ending {
  readonly journal: Journal
  readonly verdict: Verdict
  readonly trails: readonly LogTrail[]
  readonly books: Books
  readonly jobs: JobTrail
  readonly counts: Counts
}

/** Times of a kill and of the look that saw it differ by at most this. */
const LOOK_MS = 50

export async function conclude(ending: Ending): Promise<number> {
  const { fleet, observer, killer, downMs, kills, seed, say } = ending
  const journal = readJournal(fleet.stateDir)
  // Attempts of jobs end by themselves, and say so nowhere but here.
  const jobs = jobTrailOf(journal.events)
  const facts = {
    events: journal.events.filter(event => !jobs.jobs.has(event.module ?? '')),
    history: observer.history.filter(seen => !jobs.jobs.has(seen.module)),
    kills: killer.kills,
    deaths: deathsOf(fleet.stateDir, fleet.modules),
    starts: startsOf(fleet.stateDir, fleet.modules),
    blind: observer.blind,
    downMs,
  }
  writeFileSync(join(fleet.dir, 'chaos.json'), JSON.stringify({ seed, ...facts, starts: [...facts.starts] }))
  const traders = fleet.modules.filter(name => name !== STORM)
  const trails = traders.map(name => logTrailOf(fleet.stateDir, name))
  const counts = countsOf(killer.kills)
  const books = await booksOf(fleet)
  const findings = { ...ending, journal, verdict: judge(facts), trails, books, jobs, counts }
  const checks = [...ending.checks, ...checksOf(findings)]
  say(`seed ${seed}, ${kills} kills\n${table(rowsOf(findings))}\n${checkLines(checks)}`)
  if (checks.some(({ problems }) => problems.length > 0)) return FAILED
  const missing = shortfalls(counts, findings.books.fills, minimaFor(kills))
  if (missing.length > 0) say(`void: ${missing.join('; ')}`)
  return missing.length > 0 ? VOID : OK
}

function rowsOf({
  counts,
  killer,
  observer,
  verdict,
  trails,
  books,
  jobs,
  tookMs,
}: Findings): [string, string | number][] {
  const sum = (of: (trail: LogTrail) => number): number => trails.reduce((all, one) => all + of(one), 0)
  const ends = `${verdict.killed} / ${verdict.ownDeaths} / ${verdict.asked}`
  return [
    ['kills of keeper / daemon / modules', `${counts.keeper} / ${counts.daemon} / ${counts.module}`],
    ['kills of the armed successor', counts.waiting],
    ['keeper and daemon within 50 ms', counts.pairs],
    ['keepers killed while adopting', counts.adopting],
    ['all of MARK gone, back by `mark status`', killer.revivals.length],
    ['keeper killed to successor serving, ms (p50 / max)', spread(successions(observer, killer))],
    ['runs / exits in the journal', `${verdict.runs} / ${verdict.exits}`],
    ['ended by a kill / by themselves / by MARK', ends],
    ['exits unknown, keeper and daemon both dead', verdict.unseen],
    ['runs recorded whose spawn never came', verdict.unborn],
    ['runs untouched by a kill of MARK', verdict.untouched],
    ['longest absence of a module, ms', Math.max(...observer.longestGap.values())],
    ['looks at /proc', observer.looks],
    ['log lines / torn at a page', `${sum(trail => trail.lines)} / ${sum(trail => trail.torn)}`],
    ['attempts of jobs', jobs.attempts],
    [
      'runs of jobs',
      Object.entries(jobs.outcomes)
        .map(([word, count]) => `${count} ${word}`)
        .join(', '),
    ],
    ['fills', books.fills],
    ['took, s', Math.round(tookMs / 1000)],
  ]
}

function checksOf({ verdict, journal, trails, books, jobs }: Findings): Check[] {
  const renamed = journal.ids.size === 1 ? [] : [`it has ${journal.ids.size} names`]
  return [
    {
      says: 'every exit is in the journal exactly once and is the truth; nobody else was touched',
      problems: verdict.problems,
    },
    { says: 'the journal is whole', problems: [...journal.problems, ...renamed] },
    {
      says: 'every log line is there once, in order and whole',
      problems: trails.flatMap(trail => trail.problems),
    },
    { says: 'no instant, run or attempt of a job came twice, and none goes on', problems: jobs.problems },
    { says: "cash and positions agree with the exchange's ledger", problems: books.problems },
  ]
}

interface Books {
  readonly fills: number
  readonly problems: readonly string[]
}

interface Verified {
  readonly ok: boolean
  readonly fills: number
  readonly reason: string
}

/** The money must always agree; that no order is open may be asked only of a TEEA that ended by SIGTERM. */
async function booksOf(fleet: PaperFleet): Promise<Books> {
  const settled = fleet.stoppedAsAsked('teea')
  const { stdout, stderr } = await fleet.verify(settled)
  try {
    const result = JSON.parse(stdout) as Verified
    return { fills: result.fills, problems: result.ok ? [] : [result.reason] }
  } catch {
    return { fills: 0, problems: [`verify.py said: ${stdout}${stderr}`] }
  }
}

/**
 * Ms from the kill of a keeper to its armed successor serving, where nothing else was done to MARK
 * meanwhile.
 */
function successions({ blind }: Observer, { kills, revivals }: Killer): number[] {
  const strokes = kills.filter(kill => kill.target === 'keeper' || kill.target === 'waiting')
  return strokes.flatMap(({ atMs, armed, target }) => {
    const span = blind.keeper.find(({ fromMs, toMs }) => fromMs >= atMs - LOOK_MS && toMs > atMs)
    const until = span?.toMs ?? Number.POSITIVE_INFINITY
    const others = [...strokes.map(kill => kill.atMs).filter(ms => ms !== atMs), ...revivals]
    const alone = !others.some(ms => ms >= atMs - 1000 && ms <= until)
    return armed && alone && target === 'keeper' && Number.isFinite(until) ? [until - atMs] : []
  })
}
