/**
 * The moves that the rules of child-step.ts are made of: begin a stop, settle it, count a failure, be held.
 * Pure; each returns the new child and its effects in order.
 */
import { type Child, type EventOf, type Hold, note, type Step, type Stopping, type Then } from './child.ts'
import { describeExit, type Exit, judge, type LastExit } from './exit.ts'
import { FRESH_MEMORY, restartAfterFailure } from './restart.ts'
import { formatUtc, type Instant } from './time.ts'

/** Between two SIGKILLs for a process that does not die (it hangs in the kernel). */
const KILL_AGAIN_MS = 5000
/** Least pause after a refused start, so that a shortage is never hammered. */
const REFUSED_PAUSE_MS = 1000

export function queue(child: Child, why: Child['nextWhy'], reason: string): Child {
  return {
    ...child,
    phase: 'waiting',
    outcome: null,
    nextWhy: why,
    nextStart: null,
    wakeAtMs: null,
    recovering: false,
    reason,
  }
}

export function toStopped(child: Child, reason: string): Child {
  return { ...idle(child), phase: 'stopped', reason }
}

export function toHeld(child: Child, hold: Hold): Step {
  const held: Child = { ...idle(child), phase: 'held', hold, reason: hold.reason }
  return [held, [note('held', { reason: hold.reason, by: hold.by, kill: hold.kill })]]
}

export function toDone(child: Child, outcome: NonNullable<Child['outcome']>, reason: string): Step {
  return [{ ...idle(child), phase: 'done', outcome, reason }, [note(outcome, { reason })]]
}

/** Nothing runs and nothing is pending. */
function idle(child: Child): Child {
  return {
    ...child,
    run: null,
    stopping: null,
    outcome: null,
    nextStart: null,
    recovering: false,
    health: 'unknown',
    watchdogDueMs: null,
    wakeAtMs: null,
  }
}

/** From starting or ready: `before` hook, stop signal, grace, SIGKILL; then `then`. */
export function beginStop(child: Child, then: Then, by: string, why: string, now: Instant): Step {
  const { stop } = child.spec
  const stage: Stopping['stage'] = stop.before ? 'before' : 'signal'
  const graceEndsMs = now.monoMs + stop.graceMs
  const stopping: Stopping = { then, by, why, stage, graceEndsMs, signalled: false }
  const next: Child = {
    ...child,
    phase: 'stopping',
    stopping,
    reason: `stopping: ${why}`,
    watchdogDueMs: null,
  }
  const said = note('stopping', { by, why })
  if (child.run?.exit)
    return [{ ...next, stopping: { ...stopping, stage: 'signal' }, wakeAtMs: graceEndsMs }, [said]]
  if (stage === 'before') return [{ ...next, wakeAtMs: null }, [said, { do: 'hook', hook: 'before' }]]
  return [{ ...next, wakeAtMs: graceEndsMs }, [said, { do: 'signal', signal: stop.signal }]]
}

export function sendStopSignal(child: Child, stopping: Stopping, now: Instant): Step {
  const { stop } = child.spec
  const graceEndsMs = now.monoMs + stop.graceMs
  const next: Child = {
    ...child,
    stopping: { ...stopping, stage: 'signal', graceEndsMs },
    wakeAtMs: graceEndsMs,
  }
  return [next, [{ do: 'signal', signal: stop.signal }]]
}

/** Grace is over: SIGKILL, to the main process or to what it left; again later if the kernel holds it. */
export function killNow(child: Child, stopping: Stopping, now: Instant): Step {
  const next: Child = {
    ...child,
    stopping: { ...stopping, stage: 'kill' },
    wakeAtMs: now.monoMs + KILL_AGAIN_MS,
  }
  return [next, [child.run?.exit ? { do: 'sweep', kill: true } : { do: 'kill' }]]
}

/**
 * The main process is gone. The exit is noted once, here; what it means is decided when all it left is gone.
 */
export function markExited(child: Child, exit: Exit, now: Instant): Step {
  const run = child.run
  if (!run || run.exit) return [child, []]
  const asked = child.phase === 'stopping'
  const uptimeS = Math.max(0, (now.monoMs - run.started.monoMs) / 1000)
  const reason = asked ? (child.stopping?.why ?? 'asked') : exitReason(child, exit)
  const lastExit: LastExit = {
    known: exit.known,
    code: exit.code,
    signal: exit.signal,
    core: exit.core,
    oom: exit.oom,
    reason,
    at: formatUtc(now.wallMs),
    uptime_s: Math.round(uptimeS * 1000) / 1000,
    run_id: run.id,
    fingerprint: null,
  }
  const graceful = child.stopping?.stage === 'before' || child.stopping?.stage === 'signal'
  const next: Child = {
    ...child,
    run: { ...run, exit },
    lastExit,
    watchdogDueMs: null,
    wakeAtMs: graceful ? child.wakeAtMs : null,
  }
  const data = { ...exit, pid: run.pid, asked, uptime_s: lastExit.uptime_s, reason }
  return [next, [note('exited', data), { do: 'sweep', kill: !graceful }]]
}

function exitReason(child: Child, exit: Exit): string {
  const unasked = exit.code === 0 && child.spec.kind === 'service' ? ' nobody asked for' : ''
  const refused = exit.refusal === undefined ? '' : `: it could not be started: ${exit.refusal}`
  return `${describeExit(exit)}${unasked}${refused}`
}

/** All of a run is gone that ended by itself: what its exit means. */
export function conclude(child: Child, event: EventOf<'swept'>, now: Instant, chance: number): Step {
  const exit = child.run?.exit
  if (!exit) return [child, []]
  const reason = exitReason(child, exit)
  if (exit.oom && child.spec.limits.onMemory === 'hold') {
    const held = `${reason}; limits.on_memory is hold`
    return toHeld(child, { reason: held, by: 'limits', atWallMs: now.wallMs, kill: event.latched })
  }
  const verdict = judge(exit, child.spec.kind, event.latched !== null)
  switch (verdict.kind) {
    case 'completed':
      return toDone({ ...child, memory: FRESH_MEMORY }, 'completed', 'completed')
    case 'failed':
      return toDone(child, 'failed', verdict.reason)
    case 'hold':
      return toHeld(child, {
        reason: verdict.reason,
        by: 'exit contract',
        atWallMs: now.wallMs,
        kill: event.latched,
      })
    case 'later':
      // Of an attempt of a job `retry` alone says what follows.
      if (child.spec.restart.policy === 'never') return failure(child, reason, 'crash', now, chance)
      return backoff(
        child,
        now.monoMs + child.spec.restart.maxDelayMs,
        `${reason}: it asked to be tried later`,
        'crash',
        now,
      )
    case 'failure':
      return failure(child, reason, 'crash', now, chance)
  }
}

/** All of a run is gone that was asked to stop. */
export function settle(child: Child, stopping: Stopping, now: Instant, chance: number): Step {
  const { then, by, why } = stopping
  switch (then.kind) {
    case 'rest': {
      const text = why + unverified(stopping)
      return [toStopped(child, text), [note('stopped', { by, why: text })]]
    }
    case 'start':
      return [{ ...queue(idle(child), then.why, `restarting: ${why}`) }, [note('stopped', { by, why })]]
    case 'hold':
      return toHeld(child, { ...then.hold, reason: then.hold.reason + unverified(stopping) })
    case 'fail':
      return failure(child, then.reason, then.why, now, chance)
  }
}

/** What `verify` could not confirm stays with the reason: such a stop is never called complete. */
function unverified(stopping: Stopping): string {
  return stopping.unverified === undefined ? '' : `; orders unverified: ${stopping.unverified}`
}

/**
 * A failure that counts: back off, or be held because the budget is spent, or give up because of the policy.
 */
export function failure(
  child: Child,
  reason: string,
  why: Child['nextWhy'],
  now: Instant,
  chance: number,
): Step {
  const { restart } = child.spec
  if (restart.policy === 'never') {
    const [done, effects] = toDone(child, 'failed', `${reason}; its restart policy is never`)
    return [done, [...effects, { do: 'spread' }]]
  }
  const readyMs = child.run?.ready ? now.monoMs - child.run.ready.monoMs : 0
  const memory = readyMs >= restart.resetAfterMs ? { ...child.memory, attempt: 0 } : child.memory
  const decision = restartAfterFailure(restart, memory, now.monoMs, chance)
  const remembering: Child = { ...child, memory: decision.memory }
  if (decision.kind === 'hold') {
    const text = `restart budget spent (${decision.reason}), last: ${reason}`
    const hold: Hold = { reason: text, by: 'restart budget', atWallMs: now.wallMs, kill: null }
    const [held, effects] = toHeld(remembering, hold)
    return [
      held,
      [note('budget_spent', { reason: decision.reason, then: 'hold' }), ...effects, { do: 'spread' }],
    ]
  }
  const spent =
    decision.newlySpent === null ? [] : [note('budget_spent', { reason: decision.newlySpent, then: 'slow' })]
  const [waiting, effects] = backoff(remembering, decision.atMs, reason, why, now)
  return [waiting, [...spent, ...effects, { do: 'spread' }]]
}

export function refusedStart(child: Child, event: EventOf<'refused'>, now: Instant, chance: number): Step {
  const said = note('start_refused', { why: event.why })
  const reason = `could not start: ${event.why}`
  const [next, effects] = event.transient
    ? backoff(uncounted(child), now.monoMs + REFUSED_PAUSE_MS, reason, child.nextWhy, now)
    : failure(child, reason, 'crash', now, chance)
  const told = event.transient && event.why === child.refusal
  const more = told ? effects.filter(effect => effect.do !== 'note') : [said, ...effects]
  return [{ ...next, refusal: event.why }, more]
}

/** A start that a shortage kept from happening was no restart. */
function uncounted(child: Child): Child {
  const counted = child.nextWhy === 'crash' || child.nextWhy === 'health'
  return counted ? { ...child, restarts: Math.max(0, child.restarts - 1) } : child
}

function backoff(child: Child, atMs: number, reason: string, why: Child['nextWhy'], now: Instant): Step {
  const delayMs = Math.max(0, Math.round(atMs - now.monoMs))
  const recovering = why === 'health' && child.spec.recover !== null
  const said = note('backoff', { delay_ms: delayMs, attempt: child.memory.attempt, reason })
  const rested = idle(child)
  if (delayMs === 0 && !recovering) return [queue(rested, why, reason), [said]]
  const next: Child = {
    ...rested,
    phase: 'backoff',
    reason,
    nextWhy: why,
    nextStart: { monoMs: atMs, wallMs: now.wallMs + delayMs },
    recovering,
    wakeAtMs: recovering ? null : atMs,
  }
  return [next, recovering ? [said, { do: 'hook', hook: 'recover' }] : [said]]
}
