/**
 * Compares what the journal says of each run's end with what really ended it: the harness's own kills and the
 * modules' own lists of deaths. Pure; never takes MARK's word for anything it judges.
 */
import type { JournalEvent } from './journal.ts'
import type { Kill } from './killer.ts'
import type { Seen, Span } from './observer.ts'

/** One line of a module's deaths.jsonl. */
export interface Death {
  readonly run_id: string
  readonly code: number
  readonly at: string
}

export interface Facts {
  readonly events: readonly JournalEvent[]
  readonly history: readonly Seen[]
  readonly kills: readonly Kill[]
  readonly deaths: readonly Death[]
  /** Run ids of all starts.jsonl. */
  readonly starts: ReadonlySet<string>
  readonly blind: { readonly keeper: readonly Span[]; readonly daemon: readonly Span[] }
  /** When the harness asked for `down`: ends after it are MARK's to cause. */
  readonly downMs: number
}

export interface Verdict {
  readonly problems: string[]
  readonly runs: number
  readonly exits: number
  readonly ownDeaths: number
  readonly killed: number
  /** Ended by `down`. */
  readonly asked: number
  /** `known: false` while nobody of MARK could see. */
  readonly unseen: number
  /** Recorded before a spawn that never came, since the keeper was killed in between. */
  readonly unborn: number
  /** Runs alive before and after a kill of MARK, summed over these kills. */
  readonly untouched: number
}

/** Slack around the times when MARK was blind: the width of a look, and of what was under way. */
const SLACK_MS = 50
/** From the making of a run's id to its exec, at the slowest. */
const SPAWN_MS = 250
const ULID_DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

interface Truth {
  readonly ends: string[]
  readonly atMs: number
}

export function judge(facts: Facts): Verdict {
  const exits = Map.groupBy(
    facts.events.filter(event => event.kind === 'exited' && event.run_id !== null),
    event => event.run_id as string,
  )
  const started = facts.events.filter(event => event.kind === 'started').map(event => event.run_id as string)
  const seen = new Map(facts.history.map(run => [run.runId as string, run]))
  const runs = new Set([...seen.keys(), ...facts.starts, ...started, ...exits.keys()])
  const problems: string[] = []
  const counts = { ownDeaths: 0, killed: 0, asked: 0, unseen: 0, unborn: 0 }
  for (const runId of runs) {
    const name = `${seen.get(runId)?.module ?? exits.get(runId)?.[0]?.module ?? '?'} ${runId}`
    const ends = exits.get(runId) ?? []
    if (ends.length !== 1) problems.push(`${name}: ${ends.length} exits in the journal`)
    const end = ends[0]
    if (end === undefined) continue
    const ran = seen.has(runId) || facts.starts.has(runId)
    const said = wordOf(end)
    const truth = truthOf(runId, facts)
    if (said === 'unknown' && !ran) {
      if (keeperDiedAt(mintedMs(runId), facts)) counts.unborn++
      else problems.push(`${name}: exit unknown of a run that no keeper's death kept from starting`)
    } else if (said === 'unknown') {
      const isDaemon = seen.get(runId)?.module === '@daemon'
      if (truth !== null && wasBlind(truth.atMs, isDaemon, facts)) counts.unseen++
      else
        problems.push(
          `${name}: exit unknown though MARK was there (truth: ${truth?.ends ?? 'ended by nobody'})`,
        )
    } else if (truth === null) {
      problems.push(...untoldEnd(name, said, seen.get(runId), end, facts))
    } else if (!truth.ends.includes(said)) {
      problems.push(`${name}: the journal says ${said}, the truth is ${truth.ends.join(' or ')}`)
    }
    if (truth === null) counts.asked++
    else if (truth.ends.includes('SIGKILL')) counts.killed++
    else counts.ownDeaths++
  }
  const all = [...exits.values()].flat().length
  return { problems, runs: runs.size, exits: all, ...counts, untouched: untouched(facts) }
}

/** Nobody killed it and it did not end by itself: then only `down` may have, and with exit 0. */
function untoldEnd(
  name: string,
  said: string,
  run: Seen | undefined,
  end: JournalEvent,
  facts: Facts,
): string[] {
  const endedMs = run?.goneMs ?? Date.parse(end.at)
  if (endedMs < facts.downMs)
    return [`${name}: ended (${said}) though nobody killed it and it did not say so itself`]
  if (said !== '0' && said !== 'SIGTERM') return [`${name}: ended with ${said} at \`mark down\``]
  return []
}

function wordOf(event: JournalEvent): string {
  const { known, code, signal } = event.data
  if (known !== true) return 'unknown'
  return signal === null ? String(code) : String(signal)
}

/** What may have ended a run. Both, where a module had written down its death when it was killed. */
function truthOf(runId: string, { kills, deaths }: Facts): Truth | null {
  const kill = kills.find(one => one.runId === runId)
  const death = deaths.find(one => one.run_id === runId)
  if (!kill && !death) return null
  const ends = [...(kill ? ['SIGKILL'] : []), ...(death ? [String(death.code)] : [])]
  return { ends, atMs: Math.min(kill?.atMs ?? Infinity, death ? Date.parse(death.at) : Infinity) }
}

/** Nobody could see it: keeper and daemon were both away (for the daemon's own end: the keeper). */
function wasBlind(atMs: number, isDaemon: boolean, { blind, kills }: Facts): boolean {
  const near = (spans: readonly Span[]): boolean =>
    spans.some(({ fromMs, toMs }) => atMs >= fromMs - 2 * SLACK_MS && atMs <= toMs + SLACK_MS)
  const struck = (target: string): boolean =>
    kills.some(kill => kill.target === target && Math.abs(kill.atMs - atMs) <= SLACK_MS)
  const keeper = near(blind.keeper) || struck('keeper')
  return keeper && (isDaemon || near(blind.daemon) || struck('daemon'))
}

function keeperDiedAt(atMs: number, { kills }: Facts): boolean {
  return kills.some(kill => kill.target === 'keeper' && kill.atMs >= atMs - 1 && kill.atMs <= atMs + SPAWN_MS)
}

/** Milliseconds since 1970 in the first ten characters of a ULID. */
export function mintedMs(ulid: string): number {
  return [...ulid.slice(0, 10)].reduce((sum, digit) => sum * 32 + ULID_DIGITS.indexOf(digit), 0)
}

function untouched({ kills, history }: Facts): number {
  let count = 0
  for (const { atMs, target } of kills) {
    if (target === 'module') continue
    for (const run of history) {
      if (run.module === '@daemon' || run.firstMs > atMs) continue
      if (run.goneMs === null || run.goneMs > atMs + 1000) count++
    }
  }
  return count
}
