/**
 * A real fleet lives through clock changes under faketime, its two clocks sped up alike, and its daemon
 * dies in the midst: what ran is what `mark job next` says, instant by instant. MARK_DST_ZONES=all takes
 * both changes of four zones instead of Berlin's autumn, MARK_DST_SPEED says how fast.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { BIN, cleanEnv, until } from './fleet.ts'
import { countOutcomes, JobFleet, LIST } from './job-fleet.ts'

const SPEED = Number(process.env.MARK_DST_SPEED ?? 120)
const hasFaketime = (() => {
  try {
    execFileSync('faketime', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

interface Change {
  readonly zone: string
  /** When the fleet begins, and after which instant it may end. */
  readonly from: string
  readonly until: string
  /** A fixed time in the hour that is skipped or repeated. */
  readonly fixed: string
  /** What must run, where it is written down by hand; else what `mark job next` says. */
  readonly expected?: Readonly<Record<string, readonly string[]>>
}

const BERLIN_SPRING: Change = {
  zone: 'Europe/Berlin',
  from: '2026-03-29T01:35:00+01:00',
  until: '2026-03-29T03:45:00+02:00',
  fixed: '30 2 * * *',
  expected: {
    vixie: ['2026-03-29T03:00:00+02:00'],
    shift: ['2026-03-29T03:30:00+02:00'],
    skip: [],
    quarter: [
      '2026-03-29T01:45:00+01:00',
      '2026-03-29T03:00:00+02:00',
      '2026-03-29T03:15:00+02:00',
      '2026-03-29T03:30:00+02:00',
      '2026-03-29T03:45:00+02:00',
    ],
    hourly: ['2026-03-29T03:00:00+02:00'],
    half: ['2026-03-29T03:30:00+02:00'],
  },
}
const BERLIN_AUTUMN: Change = {
  zone: 'Europe/Berlin',
  from: '2026-10-25T01:50:00+02:00',
  until: '2026-10-25T03:00:00+01:00',
  fixed: '30 2 * * *',
  expected: {
    vixie: ['2026-10-25T02:30:00+02:00'],
    shift: ['2026-10-25T02:30:00+02:00'],
    skip: ['2026-10-25T02:30:00+02:00'],
    quarter: [
      '2026-10-25T02:00:00+02:00',
      '2026-10-25T02:15:00+02:00',
      '2026-10-25T02:30:00+02:00',
      '2026-10-25T02:45:00+02:00',
      '2026-10-25T02:00:00+01:00',
      '2026-10-25T02:15:00+01:00',
      '2026-10-25T02:30:00+01:00',
      '2026-10-25T02:45:00+01:00',
      '2026-10-25T03:00:00+01:00',
    ],
    hourly: ['2026-10-25T02:00:00+02:00', '2026-10-25T02:00:00+01:00', '2026-10-25T03:00:00+01:00'],
    half: ['2026-10-25T02:30:00+02:00', '2026-10-25T02:30:00+01:00'],
  },
}
const OTHERS: readonly Change[] = [
  {
    zone: 'America/New_York',
    from: '2026-03-08T01:35:00-05:00',
    until: '2026-03-08T03:45:00-04:00',
    fixed: '30 2 * * *',
  },
  {
    zone: 'America/New_York',
    from: '2026-11-01T00:50:00-04:00',
    until: '2026-11-01T02:00:00-05:00',
    fixed: '30 1 * * *',
  },
  {
    zone: 'Australia/Lord_Howe',
    from: '2026-04-05T01:20:00+11:00',
    until: '2026-04-05T02:15:00+10:30',
    fixed: '45 1 * * *',
  },
  {
    zone: 'Australia/Lord_Howe',
    from: '2026-10-04T01:35:00+10:30',
    until: '2026-10-04T03:00:00+11:00',
    fixed: '15 2 * * *',
  },
  {
    zone: 'America/Santiago',
    from: '2026-04-04T22:50:00-03:00',
    until: '2026-04-05T00:00:00-04:00',
    fixed: '30 23 * * *',
  },
  {
    zone: 'America/Santiago',
    from: '2026-09-05T23:35:00-04:00',
    until: '2026-09-06T01:45:00-03:00',
    fixed: '30 0 * * *',
  },
]
const CHANGES =
  process.env.MARK_DST_ZONES === 'all' ? [BERLIN_SPRING, BERLIN_AUTUMN, ...OTHERS] : [BERLIN_AUTUMN]
const JOBS = ['vixie', 'shift', 'skip', 'quarter', 'hourly', 'half', 'span'] as const

function configOf({ zone, fixed }: Change): string {
  const job = (name: string, when: string): string =>
    `  ${name}: { command: [sh, -c, '${LIST}'], ${when}, overlap: queue, missed: all }`
  const lines = [
    ...['vixie', 'shift', 'skip'].map(dst => job(dst, `schedule: "${fixed}", dst: ${dst}`)),
    job('quarter', 'schedule: "*/15 * * * *"'),
    job('hourly', 'schedule: "0 * * * *"'),
    job('half', 'schedule: "30 * * * *"'),
    job('span', 'every: 20m'),
  ]
  return `timezone: ${zone}\njobs:\n${lines.join('\n')}\n`
}

/**
 * A keeper whose clocks begin at `from`. All that it starts goes on with the same clocks: without
 * FAKETIME_DONT_RESET a daemon that is restarted would live through everything again.
 */
function startKeeperAt(fleet: JobFleet, from: string): ChildProcess {
  const main = join(BIN, '..', '..', 'src', 'keeper', 'main.ts')
  const utc = new Date(from).toISOString().slice(0, 19).replace('T', ' ')
  const lock = ['flock', '-F', join(fleet.stateDir, 'keeper.lock')]
  const keeper = [...lock, process.execPath, main, '--state-dir', fleet.stateDir]
  return spawn('faketime', ['-m', '-f', `@${utc} x${SPEED}`, ...keeper], {
    cwd: fleet.stateDir,
    env: cleanEnv({ TZ: 'UTC', FAKETIME_DONT_RESET: '1' }),
    detached: true,
    stdio: 'ignore',
  })
}

async function instantsOf(fleet: JobFleet, job: string, fromMs: number, untilMs: number): Promise<string[]> {
  const from = new Date(fromMs).toISOString()
  const { stdout } = await fleet.expect(0, 'job', 'next', job, '--from', from, '--count', '40', '--json')
  const { next } = JSON.parse(stdout) as { next: { at: string; local: string }[] }
  return next.filter(({ at }) => Date.parse(at) <= untilMs).map(({ local }) => local)
}

for (const change of CHANGES) {
  const untilMs = Date.parse(change.until)
  test(`${change.zone} from ${change.from}: what runs is what \`mark job next\` says`, {
    skip: hasFaketime ? false : 'faketime is not installed here',
  }, async t => {
    // Open before its clock is another: a keeper that is new would find nothing to do, and soon leave.
    const fleet = new JobFleet('jobs: { later: { command: ["true"] } }\n')
    let faked: ChildProcess | null = null
    try {
      await fleet.up()
      fleet.killMark()
      faked = startKeeperAt(fleet, change.from)
      await until('the keeper serves', 15_000, () => fleet.look().keeperServes)
      fleet.write('mark.yaml', configOf(change))
      await fleet.up()
      const { jobs: first } = await until('all is decided up to some instant', 15_000, async () => {
        const kept = await fleet.kept()
        return JOBS.every(job => kept.jobs[job]?.decided_ms) && kept
      })
      const half = (untilMs + Date.parse(change.from)) / 2
      await until('half of it is over', 240_000, () => fleet.rows('quarter').some(row => lateBy(row, half)))
      const daemon = await until('a daemon lives', 10_000, () => fleet.look().daemon)
      process.kill(daemon.pid, 'SIGKILL')
      const expected: Record<string, string[]> = {}
      for (const job of JOBS) {
        expected[job] = await instantsOf(fleet, job, first[job]?.decided_ms as number, untilMs)
      }
      await until('all of it is over', 240_000, async () => {
        const { jobs, rows } = await fleet.kept()
        const isDecided = (job: string): boolean =>
          (jobs[job]?.decided_ms ?? 0) >= Date.parse(expected[job]?.at(-1) ?? change.from)
        const isOver = (jobs.quarter?.decided_ms ?? 0) >= untilMs && JOBS.every(isDecided)
        return isOver && rows.every(row => (row.nominal_ms ?? 0) > untilMs)
      })
      for (const job of JOBS) {
        const ran = fleet.list(job).map(({ nominal }) => nominal)
        const inTime = ran.filter(nominal => Date.parse(nominal) <= untilMs)
        assert.deepEqual(inTime, expected[job], `${job}: what ran`)
        const sinceMs = first[job]?.decided_ms as number
        const literal = change.expected?.[job]?.filter(nominal => Date.parse(nominal) > sinceMs)
        if (literal) assert.deepEqual(inTime, literal, `${job}: what ran, written down by hand`)
        const rows = fleet.rows(job).filter(row => (row.nominal_ms ?? 0) <= untilMs)
        assert.deepEqual(
          rows.map(row => row.nominal),
          inTime,
          `${job}: what is told`,
        )
        t.diagnostic(`${job}: ${inTime.length} instants, ${countOutcomes(rows)}`)
        const odd = rows.filter(({ outcome }) => outcome !== 'succeeded').map(({ reason }) => reason)
        assert.deepEqual(odd, [], `${job}: runs that did not succeed`)
      }
      fleet.assertLists(JOBS)
      await fleet.expect(0, 'down')
    } finally {
      fleet.end()
      faked?.kill('SIGKILL')
    }
  })
}

function lateBy({ nominal_ms: ms }: { readonly nominal_ms: number | null }, atMs: number): boolean {
  return ms !== null && ms >= atMs
}
