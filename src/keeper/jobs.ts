/**
 * Attempts of jobs as children of the keeper: begun once, remembered before they are spawned, journalled with
 * their row. What is to be run, and when, the daemon asks; it may ask twice, or for what is stale.
 */
import type { Ask, JobStart, JobsKept, StartRefusal } from '../contract/keeper.ts'
import { attemptName, attemptOf } from '../core/child-name.ts'
import { isLive, newChild } from '../core/child.ts'
import type { ErrorBody } from '../core/errors.ts'
import { describeExit, type Exit, exitOf } from '../core/exit.ts'
import { attemptSpec } from '../core/jobs/job-plan.ts'
import type { JobOp } from '../core/jobs/job-book.ts'
import { eventOf, type JobRow, liveAttempt } from '../core/jobs/job-row.ts'
import { killHold } from '../core/kill.ts'
import { FRESH_MEMORY } from '../core/restart.ts'
import type { Engine } from './engine.ts'

/** All that is decided in one ask is remembered together. */
export function keepJobs(engine: Engine, { ops }: Extract<Ask, { ask: 'jobs' }>): JobsKept {
  const now = engine.world.now()
  for (const op of ops) engine.jobs.apply(op, now)
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

/** All of them are remembered, and in the journal, before the first is spawned. */
export function startAttempts(engine: Engine, starts: readonly JobStart[]): { refused: StartRefusal[] } {
  engine.readLatches()
  const refused: StartRefusal[] = []
  const begun: { name: string; event: { kind: 'start'; why: 'crash' | 'boot'; by: string } }[] = []
  for (const start of starts) {
    const answer = begin(engine, start)
    if (typeof answer !== 'string') refused.push({ attempt_id: start.attempt_id, error: answer })
    else
      begun.push({
        name: answer,
        event: { kind: 'start', why: start.attempt > 1 ? 'crash' : 'boot', by: 'jobs' },
      })
  }
  tell(engine)
  engine.feedAll(begun)
  return { refused }
}

/** The name of its child, or why it may not begin; null: the ask is stale. */
function begin(engine: Engine, start: JobStart): string | ErrorBody | null {
  const row = engine.jobs.rows.get(start.run_id)
  if (!row || engine.session.closing || !engine.session.open) return null
  const latch = engine.latchOf(row.job)
  if (latch) return { code: 'MARK_LATCHED', message: killHold(latch).reason, hint: null }
  const job = engine.plan?.jobs?.find(({ name }) => name === row.job)
  if (!job) return { code: 'MARK_NO_SUCH_JOB', message: `There is no job ${row.job}.`, hint: null }
  if (!engine.jobs.begin(start.run_id, start.attempt_id, start.attempt, engine.world.now())) return null
  const name = attemptName(row.job, start.attempt_id)
  const memory = { ...FRESH_MEMORY, attempt: start.attempt - 1 }
  engine.put(name, { ...newChild(attemptSpec(job, start.argv, start.variables)), memory })
  return name
}

/** Called after each turn: of an attempt that is over, its row says how. */
export function endAttempts(engine: Engine): void {
  let ended = false
  for (const [name, child] of [...engine.children]) {
    const id = attemptOf(name)
    if (id === null || isLive(child) || child.phase === 'waiting' || child.phase === 'starting') continue
    const exit = child.lastExit?.run_id === id ? exitOf(child.lastExit) : null
    const isStopped = child.phase === 'stopped' || (child.hold && child.hold.by !== 'exit contract')
    const stop = isStopped ? { cause: 'fleet' as const, by: 'keeper', why: child.reason } : null
    const reason = exit && !stop ? describeExit(exit) : child.reason
    // A keeper that ended before it asked for the start: nothing was begun.
    if (child.desired === null) engine.jobs.takeBack(id)
    else engine.jobs.ended(id, { exit, stop, reason }, engine.world.now().wallMs)
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
