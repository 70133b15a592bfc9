/**
 * Which run a process belongs to: the nearest main process it descends from, else the run whose session or
 * tag it carries. Its environment is not asked: anyone can write MARK_RUN_ID into it. A moment's answer, by
 * pid; ask while the process lives.
 */
import { readStat } from './proc.ts'
import type { RunIdentity } from './process-tree.ts'
import { tagOf } from './run-tag.ts'

/** No tree of a sane module is deeper. */
const DEPTH_MAX = 64

/** null: none of these. Throws HostShortage when it could not look. */
export function runOf<R extends RunIdentity>(pid: number, runs: readonly R[]): R | null {
  const mains = new Map(runs.flatMap(run => (run.pid === null ? [] : [[run.pid, run] as const])))
  const own = mains.get(pid)
  if (own?.startTime === null) return own
  const session = readStat(pid)?.session ?? 0
  let at = pid
  for (let depth = 0; at > 1 && depth < DEPTH_MAX; depth++) {
    const stat = readStat(at)
    if (stat === null) break
    const run = mains.get(at)
    if (run !== undefined && isMain(run, stat.startTime)) return run
    at = stat.ppid
  }
  return ofSession(mains.get(session)) ?? ofTag(pid, runs)
}

function isMain(run: RunIdentity, startTime: number): boolean {
  return run.startTime === null || run.startTime === startTime
}

/** A session's number is given to no other process while the session lives. */
function ofSession<R extends RunIdentity>(run: R | undefined): R | null {
  if (run === undefined || run.pid === null) return null
  const holder = readStat(run.pid)
  return holder === null || isMain(run, holder.startTime) ? run : null
}

function ofTag<R extends RunIdentity>(pid: number, runs: readonly R[]): R | null {
  if (!runs.some(run => run.tag != null)) return null
  const tag = tagOf(pid)
  return (tag !== null && runs.find(run => run.tag === tag)) || null
}
