/**
 * The kill switch without a keeper: the latch, the halt files, then every run in scope stopped by its
 * recorded signal and grace, SIGKILL, and what it left behind. Trusts only runs whose pid, start time and
 * boot id agree. Hooks do not run here, so the result is never called complete.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { covers } from '../../core/kill.ts'
import type { Plan } from '../../core/plan.ts'
import type { LiveRun } from '../../core/status.ts'
import { formatUtc } from '../../core/time.ts'
import { systemClock } from '../../host/clock.ts'
import { haltFile, type KillLevel, type KillRecord, prepareSpare, writeLatch } from '../../host/latch.ts'
import { type Libc, loadLibc } from '../../host/libc.ts'
import { lockHolder } from '../../host/lock-holder.ts'
import { alive } from '../../host/proc.ts'
import { killSurvivors, survivors } from '../../host/process-tree.ts'
import type { StateDir } from '../../host/state-dir.ts'
import type { CliContext } from '../context.ts'
import { everyLiveRun, liveRuns } from '../disk.ts'
import { hearingOf, pauseNote, toldLine } from '../pause-hearing.ts'
import { visible } from '../visible.ts'

export interface Kill {
  readonly id: string
  readonly scope: string
  readonly level: KillLevel
  readonly reason: string | null
  readonly by: string
}

/** How the first line of every kill begins. */
export function latchedLine(order: Kill): string {
  return `latched: ${order.level} of ${visible(order.scope)} as ${order.id}`
}

const LOOK_MS = 25
const KILL_MS = 5_000
const LOCK_WAIT_MS = 60_000

export async function killAlone(
  context: CliContext,
  state: StateDir,
  plan: Plan | null,
  order: Kill,
): Promise<number> {
  const record: KillRecord = {
    ...order,
    at: formatUtc(systemClock.now().wallMs),
    complete: false,
    note: null,
  }
  writeLatch(state, record)
  context.out(`${latchedLine(order)}; the keeper does not answer, so this command stops it alone.`)
  writeHaltFiles(state, plan, order)
  const verdict =
    order.level === 'pause'
      ? await pauseVerdict(context, state, plan, order)
      : await stopScope(context, state, plan, order)
  writeLatch(state, { ...record, note: verdict.note })
  prepareSpare(state)
  context.out(`${verdict.note}; \`mark kill release ${order.id} --reason ...\` ends it.`)
  return verdict.status
}

interface Verdict {
  readonly note: string
  readonly status: number
}

function writeHaltFiles(state: StateDir, plan: Plan | null, order: Kill): void {
  const names = new Set([
    ...(plan?.modules ?? []).map(spec => spec.name),
    ...liveRuns(state).map(run => run.module),
  ])
  for (const name of names) {
    if (!covers(order.scope, name, plan)) continue
    try {
      haltFile(state, name, order.level)
    } catch {
      // A full disk: the latch stands, and what matters now is to stop.
    }
  }
}

function inScope(state: StateDir, plan: Plan | null, order: Kill): LiveRun[] {
  return liveRuns(state).filter(run => covers(order.scope, run.module, plan))
}

/** Without the keeper the daemon hears of no kill: who reads its halt file is told by that. */
async function pauseVerdict(
  context: CliContext,
  state: StateDir,
  plan: Plan | null,
  order: Kill,
): Promise<Verdict> {
  const names = inScope(state, plan, order).map(run => run.module)
  const hearing = await hearingOf(state.daemonSocket, names)
  context.out(toldLine(hearing))
  return { note: pauseNote(hearing), status: hearing.deaf.length > 0 ? 1 : 0 }
}

async function stopScope(
  context: CliContext,
  state: StateDir,
  plan: Plan | null,
  order: Kill,
): Promise<Verdict> {
  const libc = loadLibc()
  const unlock = await takeTurn(state, libc)
  try {
    const runs = inScope(state, plan, order)
    const list = runs.map(run => `${run.module} (pid ${run.pid})`).join(', ')
    context.out(runs.length > 0 ? `stopping: ${list}.` : 'stopping: nothing in scope ran.')
    const left = await Promise.all(runs.map(run => stopRun(state, run, libc)))
    // Started between the latch and now by a keeper that had not seen it yet.
    const late = inScope(state, plan, order).filter(run => !runs.some(known => known.run_id === run.run_id))
    left.push(...(await Promise.all(late.map(run => stopRun(state, run, libc)))))
    const names = left.filter(name => name !== null)
    if (names.length > 0)
      return { note: `KILL INCOMPLETE: ${names.join(', ')} could not be ended`, status: 1 }
    return { note: 'stopped, orders unverified: hooks do not run without the keeper', status: 0 }
  } finally {
    unlock()
  }
}

/**
 * The run's own signal, its grace, then SIGKILL to it and to all it ever started. The name of what
 * outlived it.
 */
async function stopRun(state: StateDir, run: LiveRun, libc: Libc | null): Promise<string | null> {
  const identity = { pid: run.pid, startTime: run.start_time ?? -1 }
  const others = everyLiveRun(state).filter(other => other.run_id !== run.run_id)
  const known = new Set(others.map(other => other.pid))
  const signal = run.stop.signal as NodeJS.Signals
  if (alive(identity)) killSurvivors([run.pid], signal, libc)
  await until(() => !alive(identity), run.stop.grace_ms)
  const gone = await until(() => {
    const left = remains(state, run, known)
    if (alive(identity)) left.unshift(run.pid)
    killSurvivors(left, 'SIGKILL', libc)
    return left.length === 0
  }, KILL_MS)
  return gone ? null : run.module
}

function remains(state: StateDir, run: LiveRun, known: ReadonlySet<number>): number[] {
  const keeperPid = lockHolder(state.keeperLock) ?? process.pid
  return survivors(
    { pid: run.pid, runId: run.run_id, startTime: run.start_time },
    { keeperPid, known, full: true },
  )
}

async function until(check: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!check()) {
    if (performance.now() >= deadline) return false
    await delay(LOOK_MS)
  }
  return true
}

/**
 * One stopping command at a time; the latch stands already, so a kill is never refused for want of the
 * turn.
 */
async function takeTurn(state: StateDir, libc: Libc | null): Promise<() => void> {
  let fd: number
  try {
    fd = openSync(state.killLock, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  } catch {
    return () => {}
  }
  if (libc !== null) await until(() => libc.tryLock(fd), LOCK_WAIT_MS)
  return () => closeSync(fd)
}
