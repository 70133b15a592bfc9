/**
 * What each event does to a child, rule by rule; child-step.ts says in which phase which rule holds. A stop
 * beats every timer; a hold by the kill switch beats everything; a stale event changes nothing.
 */
import { type Child, type EventOf, note, type Rule, type StaleMove, type Step, type Then } from './child.ts'
import {
  beginStop,
  killNow,
  markExited,
  queue,
  sendStopSignal,
  settle,
  toDone,
  toHeld,
  toStopped,
} from './child-moves.ts'
import { FRESH_MEMORY } from './restart.ts'
import type { Instant } from './time.ts'

export const start: Rule<EventOf<'start'>> = (child, event) => {
  const memory = event.why === 'operator' || event.why === 'boot' ? FRESH_MEMORY : child.memory
  return [queue({ ...child, desired: 'up', memory }, event.why, 'start asked'), []]
}
export const wantUp: Rule<EventOf<'start'>> = child => [{ ...child, desired: 'up' }, []]
export const startNow: Rule<EventOf<'start'>> = (child, event, now, chance) =>
  event.why === 'operator' ? start(child, event, now, chance) : [{ ...child, desired: 'up' }, []]
export const startAfterStop: Rule<EventOf<'start'>> = (child, event) => {
  const { stopping } = child
  if (!stopping || stopping.then.kind === 'hold') return [{ ...child, desired: 'up' }, []]
  return [{ ...child, desired: 'up', stopping: { ...stopping, then: { kind: 'start', why: event.why } } }, []]
}

export const go: Rule<EventOf<'go'>> = child => {
  const restarts =
    child.nextWhy === 'crash' || child.nextWhy === 'health' ? child.restarts + 1 : child.restarts
  return [{ ...child, phase: 'starting', restarts, reason: 'starting', wakeAtMs: null }, [{ do: 'spawn' }]]
}
export const block: Rule<EventOf<'block'>> = (child, event) =>
  child.reason === event.reason
    ? [child, []]
    : [{ ...child, reason: event.reason }, [note('waiting', { reason: event.reason })]]
export const unskip: Rule<EventOf<'block' | 'go'>> = child =>
  child.outcome === 'skipped' ? [queue(child, child.nextWhy, 'what it depends on is back'), []] : [child, []]
export const skip: Rule<EventOf<'skip'>> = (child, event) => toDone(child, 'skipped', event.reason)

export const spawned: Rule<EventOf<'spawned'>> = (child, event) => {
  const { ready } = child.spec
  const since = event.run.started.monoMs
  const wakeAtMs =
    ready.kind === 'delay' ? since + ready.delayMs : ready.kind === 'notify' ? since + ready.timeoutMs : null
  return [{ ...child, run: event.run, wakeAtMs, reason: 'starting', refusal: null }, []]
}
export const becomeReady: Rule<EventOf<'ready'>> = (child, event, now) => {
  if (!child.run || child.run.exit) return [child, []]
  const next: Child = {
    ...child,
    phase: 'ready',
    run: { ...child.run, ready: now },
    wakeAtMs: null,
    reason: '',
  }
  return [next, [note('ready', { by: event.by })]]
}
export const unready: Rule<EventOf<'unready'>> = (child, event, now) =>
  child.run?.exit
    ? [child, []]
    : beginStop(child, { kind: 'fail', reason: event.reason, why: 'crash' }, 'readiness', event.reason, now)

export const health: Rule<EventOf<'health'>> = (child, event, now) => {
  if (child.run?.exit) return [child, []]
  if (event.move !== undefined) return moveStale(child, event, event.move, now)
  if (child.health === event.health) return [child, []]
  const next: Child = { ...child, health: event.health }
  const { reason } = event
  if (event.health === 'stale') return [next, [note('stale', { reason }), note('alert', { reason })]]
  if (event.health !== 'unhealthy') {
    if (child.health === 'unhealthy') return [next, [note('healthy', { reason })]]
    return [next, child.health === 'stale' && event.health === 'healthy' ? [note('fresh', { reason })] : []]
  }
  const said = note('unhealthy', { reason: event.reason })
  const action = child.spec.health?.action ?? 'restart'
  if (action === 'alert') return [next, [said, note('alert', { reason: event.reason })]]
  if (action === 'recover' && child.spec.recover) {
    return child.recovering
      ? [next, [said]]
      : [{ ...next, recovering: true }, [said, { do: 'hook', hook: 'recover' }]]
  }
  return then(
    said,
    beginStop(next, { kind: 'fail', reason: event.reason, why: 'health' }, 'health', event.reason, now),
  )
}

/** A rung of the ladder: its health stays what it is, and fresh data alone makes it well. */
function moveStale(child: Child, event: EventOf<'health'>, move: StaleMove, now: Instant): Step {
  const { reason } = event
  const said = note('alert', { reason })
  if (move === 'restart')
    return then(said, beginStop(child, { kind: 'fail', reason, why: 'health' }, 'health', reason, now))
  if (child.spec.recover === null || child.recovering) return [child, [said]]
  return [{ ...child, recovering: true }, [said, { do: 'hook', hook: 'recover' }]]
}

/** A watchdog that is fed tells that the start is over, where the word itself may have been lost. */
export const pingedStarting: Rule<EventOf<'pinged'>> = (child, event, now, chance) => {
  if (!child.run?.adopted || child.spec.ready.kind !== 'notify') return [child, []]
  const [ready, effects] = becomeReady(child, { kind: 'ready', by: 'adoption' }, now, chance)
  return [pinged(ready, event, now, chance)[0], effects]
}

export const pinged: Rule<EventOf<'pinged'>> = (child, _event, now) => {
  if (child.spec.watchdogMs === null) return [child, []]
  const watchdogDueMs = now.monoMs + child.spec.watchdogMs
  // It is alive: whether its data is fresh its heartbeats say, and what a question found only an answer ends.
  const asked = child.spec.health !== null && child.health === 'unhealthy'
  const health = child.health === 'stale' || asked ? child.health : 'healthy'
  return [{ ...child, health, watchdogDueMs, wakeAtMs: watchdogDueMs }, []]
}

const stopNow: Rule<EventOf<'stop'>> = (child, event) => [
  want(toStopped(child, event.why), event.then),
  [note('stopped', { by: event.by, why: event.why })],
]
export const stopQueued: Rule<EventOf<'stop'>> = (child, event, now, chance) =>
  event.then.kind === 'start' ? [child, []] : stopNow(child, event, now, chance)
export const stopLive: Rule<EventOf<'stop'>> = (child, event, now) =>
  beginStop(want(child, event.then), event.then, event.by, event.why, now)
/** A stop under way keeps what follows it unless the new ask is stronger: a restart never beats a stop. */
export const stopAgain: Rule<EventOf<'stop'>> = (child, event) => {
  const { stopping } = child
  if (!stopping || strength(event.then) <= strength(stopping.then)) return [want(child, event.then), []]
  const next = { ...stopping, then: event.then, by: event.by, why: event.why }
  return [want({ ...child, stopping: next, reason: `stopping: ${event.why}` }, event.then), []]
}
export const stopIdle: Rule<EventOf<'stop'>> = (child, event) => {
  const skipped = child.outcome === 'skipped' && event.then.kind === 'rest'
  return [want(skipped ? toStopped(child, event.why) : child, event.then), []]
}

export const hold: Rule<EventOf<'hold'>> = (child, event) => toHeld(child, event.hold)
export const holdMore: Rule<EventOf<'hold'>> = (child, event) =>
  event.hold.kill !== null && child.hold?.kill == null
    ? toHeld(child, child.hold ? { ...event.hold, under: child.hold } : event.hold)
    : [child, []]
export const holdLive: Rule<EventOf<'hold'>> = (child, event, now) =>
  beginStop(child, { kind: 'hold', hold: event.hold }, event.hold.by, event.hold.reason, now)
export const holdStopping: Rule<EventOf<'hold'>> = (child, event) => {
  const { stopping } = child
  const killed = stopping?.then.kind === 'hold' && stopping.then.hold.kill !== null
  if (!stopping || killed) return [child, []]
  return [
    { ...child, stopping: { ...stopping, then: { kind: 'hold', hold: event.hold }, by: event.hold.by } },
    [],
  ]
}
export const unhold: Rule<EventOf<'unhold'>> = (child, event) => {
  const free: Child = { ...child, hold: null, memory: FRESH_MEMORY }
  const said = note('unheld', { by: event.by })
  if (child.hold?.under) return then(said, toHeld(free, child.hold.under))
  if (event.start && child.desired === 'up') return [queue(free, 'operator', 'released'), [said]]
  return [{ ...toStopped(free, `released by ${event.by}`) }, [said]]
}
/** A release during the stop: the hold that would follow becomes rest. */
export const unholdStopping: Rule<EventOf<'unhold'>> = (child, event) => {
  const { stopping } = child
  if (stopping?.then.kind !== 'hold') return [child, []]
  const rest: Then = { kind: 'rest', stays: false }
  return [{ ...child, stopping: { ...stopping, then: rest } }, [note('unheld', { by: event.by })]]
}

export const exited: Rule<EventOf<'exited'>> = (child, event, now) => markExited(child, event.exit, now)
export const sweptStopping: Rule<EventOf<'swept'>> = (child, _event, now, chance) => {
  const { stopping } = child
  if (!stopping || !child.run?.exit) return [child, []]
  const verifies = child.spec.stop.verify && (stopping.then.kind === 'rest' || stopping.then.kind === 'hold')
  if (!verifies) return settle(child, stopping, now, chance)
  return [
    { ...child, stopping: { ...stopping, stage: 'verify' }, wakeAtMs: null },
    [{ do: 'hook', hook: 'verify' }],
  ]
}

export const hookedStopping: Rule<EventOf<'hooked'>> = (child, event, now, chance) => {
  const { stopping } = child
  if (!stopping || event.hook !== stopping.stage) return [child, []]
  const said = note('hook', { hook: event.hook, ok: event.ok, reason: event.reason })
  if (event.hook === 'verify') {
    return then(
      said,
      settle(child, event.ok ? stopping : { ...stopping, unverified: event.reason }, now, chance),
    )
  }
  if (child.run?.exit) return [{ ...child, stopping: { ...stopping, stage: 'signal' } }, [said]]
  return then(said, sendStopSignal(child, stopping, now))
}
export const hookedBackoff: Rule<EventOf<'hooked'>> = (child, event, now) => {
  if (!child.recovering || event.hook !== 'recover') return [child, []]
  const said = note('hook', { hook: event.hook, ok: event.ok, reason: event.reason })
  return [
    { ...child, recovering: false, wakeAtMs: Math.max(now.monoMs, child.nextStart?.monoMs ?? 0) },
    [said],
  ]
}
export const hookedReady: Rule<EventOf<'hooked'>> = (child, event, now) => {
  if (!child.recovering || event.hook !== 'recover') return [child, []]
  const said = note('hook', { hook: event.hook, ok: event.ok, reason: event.reason })
  if (child.health === 'stale') return [{ ...child, recovering: false }, [said]]
  const rested: Child = { ...child, recovering: false, health: 'unknown' }
  if (event.ok) return [rested, [said]]
  const reason = `recovery failed: ${event.reason}`
  return then(said, beginStop(rested, { kind: 'fail', reason, why: 'health' }, 'health', reason, now))
}

export const extendStart: Rule<EventOf<'extend'>> = (child, event, now) =>
  child.wakeAtMs === null || child.spec.ready.kind !== 'notify'
    ? [child, []]
    : [{ ...child, wakeAtMs: later(child.wakeAtMs, event, now) }, []]
export const extendWatchdog: Rule<EventOf<'extend'>> = (child, event, now) => {
  if (child.watchdogDueMs === null) return [child, []]
  const watchdogDueMs = later(child.watchdogDueMs, event, now)
  return [{ ...child, watchdogDueMs, wakeAtMs: watchdogDueMs }, []]
}
export const extendStop: Rule<EventOf<'extend'>> = (child, event, now) => {
  const { stopping } = child
  if (stopping?.stage !== 'signal') return [child, []]
  const graceEndsMs = later(stopping.graceEndsMs, event, now)
  return [{ ...child, stopping: { ...stopping, graceEndsMs }, wakeAtMs: graceEndsMs }, []]
}

export const wokeStarting: Rule<EventOf<'woke'>> = (child, _event, now, chance) => {
  if (!due(child, now)) return [child, []]
  const { ready } = child.spec
  if (ready.kind === 'delay') return becomeReady(child, { kind: 'ready', by: 'delay' }, now, chance)
  if (child.run?.adopted) return becomeReady(child, { kind: 'ready', by: 'adoption' }, now, chance)
  const reason = `not ready within ${ready.timeoutMs / 1000} s`
  return unready(child, { kind: 'unready', reason }, now, chance)
}
export const wokeReady: Rule<EventOf<'woke'>> = (child, _event, now, chance) =>
  due(child, now) && child.watchdogDueMs !== null
    ? health(
        { ...child, wakeAtMs: null },
        { kind: 'health', health: 'unhealthy', reason: 'its watchdog went silent' },
        now,
        chance,
      )
    : [child, []]
export const wokeBackoff: Rule<EventOf<'woke'>> = (child, _event, now) =>
  due(child, now) ? [queue(child, child.nextWhy, child.reason), []] : [child, []]
export const wokeStopping: Rule<EventOf<'woke'>> = (child, _event, now) =>
  due(child, now) && child.stopping ? killNow(child, child.stopping, now) : [child, []]
export const hurry: Rule<EventOf<'hurry'>> = (child, _event, now) => {
  const { stopping } = child
  return stopping && stopping.stage !== 'kill' && stopping.stage !== 'verify'
    ? killNow(child, stopping, now)
    : [child, []]
}
export const signalled: Rule<EventOf<'signalled'>> = child =>
  child.stopping ? [{ ...child, stopping: { ...child.stopping, signalled: true } }, []] : [child, []]

function due(child: Child, now: Instant): boolean {
  return child.wakeAtMs !== null && child.wakeAtMs <= now.monoMs
}
function later(currentMs: number, event: EventOf<'extend'>, now: Instant): number {
  return Math.max(currentMs, now.monoMs + event.ms)
}
function strength(after: Then): number {
  return { start: 0, fail: 1, rest: 2, hold: 3 }[after.kind]
}
function want(child: Child, after: Then): Child {
  return after.kind === 'rest' && after.stays ? { ...child, desired: 'down' } : child
}
function then(first: ReturnType<typeof note>, [child, effects]: Step): Step {
  return [child, [first, ...effects]]
}
