/**
 * Attempts of jobs as children of the keeper: begun once, remembered before they are spawned, journalled with
 * their row. What is to be run, and when, the daemon asks; it may ask twice, or for what is stale.
 */
import type { Ask, JobsKept } from '../contract/keeper.ts'
import { attemptName, attemptOf } from '../core/child-name.ts'
import { isLive, newChild } from '../core/child.ts'
import { MarkError } from '../core/errors.ts'
import { type Exit, exitOf } from '../core/exit.ts'
import { attemptSpec } from '../core/jobs/job-plan.ts'
import type { JobOp } from '../core/jobs/job-book.ts'
import { eventOf, type JobRow, liveAttempt } from '../core/jobs/job-row.ts'
import { killHold } from '../core/kill.ts'
import { FRESH_MEMORY } from '../core/restart.ts'
import type { Engine } from './engine.ts'

type JobStart = Extract<Ask, { ask: 'job_start' }>

/** All that is decided in one ask is remembered together. */
export function keepJobs(engine: Engine, { ops }: Extract<Ask, { ask: 'jobs' }>): JobsKept {
  const { wallMs } = engine.world.now()
  for (const op of ops) engine.jobs.apply(op, wallMs)
  const rows = tell(engine)
  for (const op of ops) if (op.op === 'stop') stopAttempt(engine, op)
  const names = new Set([...rows.map(row => row.job), ...ops.flatMap(op => ('job' in op ? op.job : []))])
  return { rows, jobs: Object.fromEntries([...names].map(name => [name, engine.jobs.memory(name)])) }
}

function stopAttempt(engine: Engine, { run_id, stop, kill }: Extract<JobOp, { op: 'stop' }>): void {
  const row = engine.jobs.rows.get(run_id)
  const live = row && liveAttempt(row)
  if (!live) return
  const name = attemptName(row.job, live.id)
  const { by, why } = stop
  engine.feed(name, { kind: 'stop', then: { kind: 'rest', stays: true }, by, why })
  if (kill) engine.feed(name, { kind: 'hurry' })
}

/** Refused while it may not run; false where the ask is stale. */
export function startAttempt(engine: Engine, ask: JobStart): { begun: boolean } {
  const row = engine.jobs.rows.get(ask.run_id)
  if (!row || engine.session.closing || !engine.session.open) return { begun: false }
  engine.readLatches()
  const latch = engine.latchOf(row.job)
  if (latch) throw new MarkError('MARK_LATCHED', `${row.job} may not start: ${killHold(latch).reason}.`)
  const job = engine.plan?.jobs?.find(({ name }) => name === row.job)
  if (!job) throw new MarkError('MARK_NO_SUCH_JOB', `There is no job ${row.job}.`)
  if (!engine.jobs.begin(ask.run_id, ask.attempt_id, ask.attempt, engine.world.now())) return { begun: false }
  const name = attemptName(row.job, ask.attempt_id)
  const memory = { ...FRESH_MEMORY, attempt: ask.attempt - 1 }
  engine.put(name, { ...newChild(attemptSpec(job, ask.argv, ask.variables)), memory })
  // Before anything is spawned the journal tells of it.
  tell(engine)
  engine.feed(name, { kind: 'start', why: ask.attempt > 1 ? 'crash' : 'boot', by: row.trigger })
  return { begun: true }
}

/** Called after each turn: of an attempt that is over, its row says how. */
export function endAttempts(engine: Engine): void {
  let ended = false
  for (const [name, child] of [...engine.children]) {
    const id = attemptOf(name)
    if (id === null || isLive(child) || child.phase === 'waiting' || child.phase === 'starting') continue
    const exit = child.lastExit?.run_id === id ? exitOf(child.lastExit) : null
    const isStopped = child.phase === 'stopped' || child.phase === 'held'
    const stop = isStopped ? { cause: 'fleet' as const, by: 'keeper', why: child.reason } : null
    // A keeper that ended before it asked for the start: nothing was begun.
    if (child.desired === null) engine.jobs.takeBack(id)
    else engine.jobs.ended(id, { exit, stop, reason: child.reason }, engine.world.now().wallMs)
    engine.drop(name)
    ended = true
  }
  if (ended) tell(engine)
}

/** An attempt that the book believes to run and no child is there for: it ended with a host, or was lost. */
export function loseAttempts(engine: Engine): void {
  const { wallMs } = engine.world.now()
  for (const { row, attempt } of engine.jobs.liveAttempts()) {
    if (engine.children.has(attemptName(row.job, attempt.id))) continue
    const exit = (engine.world.store.journaledExit(attempt.id)?.data ?? null) as Exit | null
    engine.jobs.ended(attempt.id, { exit, stop: null, reason: 'lost: nobody saw its end' }, wallMs)
  }
  tell(engine)
}

/** Remembered first, then journalled: what is told of twice is told of one row. */
function tell(engine: Engine): JobRow[] {
  engine.save()
  const rows = engine.jobs.takeTold()
  for (const row of rows) engine.note(eventOf(row), row.job, row.run_id, { ...row })
  return rows
}
