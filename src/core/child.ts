/**
 * The life of one module's process, as a total table of phases and events. Pure: the shell runs the effects
 * in order and feeds what happened back in. This is the one place that decides about starts and restarts.
 *
 *   stopped --start--> waiting --go--> starting --ready--> ready
 *                         |                |  exited, swept  |
 *                       skip               v                 v
 *                         v             backoff --woke--> waiting
 *                  done (skipped)          |  budget spent, exit contract
 *                                          v
 *                              held, done (completed, failed)
 *
 *   starting, ready --stop, hold, unhealthy--> stopping --exited, swept--> stopped, held, backoff or done
 */
import type { Exit, LastExit } from './exit.ts'
import type { ModuleSpec } from './plan.ts'
import { FRESH_MEMORY, type RestartMemory } from './restart.ts'
import type { Instant } from './time.ts'
import type { EventKind, Health } from './view.ts'

export const PHASES = [
  'stopped',
  'waiting',
  'starting',
  'ready',
  'stopping',
  'backoff',
  'held',
  'done',
] as const
export type Phase = (typeof PHASES)[number]

export type StartReason = 'boot' | 'crash' | 'operator' | 'health' | 'reload' | 'standby' | 'reboot'

export interface Run {
  readonly id: string
  /** null between the durable intent and the spawn. */
  readonly pid: number | null
  readonly startTime: number | null
  readonly started: Instant
  readonly ready: Instant | null
  readonly startReason: StartReason
  /** Where it listens: its module's name, or `x~next` when that was taken at its start. */
  readonly slot?: string
  /** Shows in /proc of all that it ever starts; null where that cannot be. */
  readonly tag?: number | null
  /** Taken over while it started: a READY=1 may have been said while nobody listened. */
  readonly adopted?: boolean
  /** Set once the main process is gone; the run lives on until its survivors are swept. */
  readonly exit: Exit | null
}

export interface Hold {
  readonly reason: string
  readonly by: string
  readonly atWallMs: number
  /** Kill id when the latch holds it: only a release ends that. */
  readonly kill: string | null
  /** A hold of another kind that stood before a kill came on top: it stands again after the release. */
  readonly under?: Hold
}

/**
 * What follows a stop: rest (`stays`: until an operator starts it), start again, count as a failure, be held.
 */
export type Then =
  | { readonly kind: 'rest'; readonly stays: boolean }
  | { readonly kind: 'start'; readonly why: StartReason }
  | { readonly kind: 'fail'; readonly reason: string; readonly why: 'crash' | 'health' }
  | { readonly kind: 'hold'; readonly hold: Hold }

export interface Stopping {
  readonly then: Then
  readonly by: string
  readonly why: string
  readonly stage: 'before' | 'signal' | 'kill' | 'verify'
  readonly graceEndsMs: number
  /** The stop signal was really sent: an adopting keeper sends it again only when this is false. */
  readonly signalled: boolean
  /** Why the verify hook could not confirm the end. */
  readonly unverified?: string
}

export interface Child {
  readonly spec: ModuleSpec
  readonly phase: Phase
  /** What the operator wants, null before anybody said; outlives crashes and reboots. */
  readonly desired: 'up' | 'down' | null
  readonly outcome: 'completed' | 'failed' | 'skipped' | null
  readonly reason: string
  readonly run: Run | null
  readonly stopping: Stopping | null
  readonly hold: Hold | null
  readonly memory: RestartMemory
  /** Restarts by MARK after failures, since `up`. */
  readonly restarts: number
  readonly lastExit: LastExit | null
  readonly nextStart: Instant | null
  readonly nextWhy: StartReason
  readonly recovering: boolean
  /** Why its start was refused last, until one succeeds: told once, however often it is tried again. */
  readonly refusal: string | null
  readonly health: Health
  /** Deadline of the next WATCHDOG=1, once the first one came in this keeper's life. */
  readonly watchdogDueMs: number | null
  readonly wakeAtMs: number | null
}

export type ChildEvent =
  | { readonly kind: 'start'; readonly why: StartReason; readonly by: string }
  | { readonly kind: 'go' }
  | { readonly kind: 'block'; readonly reason: string }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'spawned'; readonly run: Run }
  /** `transient`: a shortage (fds, memory, a keeper killed in between): tried again, never counted. */
  | { readonly kind: 'refused'; readonly why: string; readonly transient: boolean }
  | { readonly kind: 'exited'; readonly exit: Exit; readonly latched: string | null }
  | { readonly kind: 'swept'; readonly latched: string | null }
  | { readonly kind: 'ready'; readonly by: string }
  | { readonly kind: 'unready'; readonly reason: string }
  /** `move`: what to do now with a run that goes on being stale (stale-ladder.ts). */
  | {
      readonly kind: 'health'
      readonly health: Health
      readonly reason: string
      readonly move?: StaleMove | undefined
    }
  | { readonly kind: 'pinged' }
  | { readonly kind: 'extend'; readonly ms: number }
  | { readonly kind: 'stop'; readonly then: Then; readonly by: string; readonly why: string }
  | { readonly kind: 'signalled' }
  | { readonly kind: 'hooked'; readonly hook: Hook; readonly ok: boolean; readonly reason: string }
  | { readonly kind: 'hurry' }
  | { readonly kind: 'hold'; readonly hold: Hold }
  | { readonly kind: 'unhold'; readonly by: string; readonly start: boolean }
  | { readonly kind: 'woke' }
export type EventOf<K extends ChildEvent['kind']> = Extract<ChildEvent, { kind: K }>

export type StaleMove = 'recover' | 'restart'

export type Hook = 'before' | 'verify' | 'recover'

export type Effect =
  | { readonly do: 'spawn' }
  | { readonly do: 'signal'; readonly signal: string }
  /** SIGKILL to all that the run ever started, main process included. */
  | { readonly do: 'kill' }
  /** The main process is gone: end what it left (`kill` false: by the stop signal first), answer `swept`. */
  | { readonly do: 'sweep'; readonly kill: boolean }
  | { readonly do: 'hook'; readonly hook: Hook }
  | { readonly do: 'note'; readonly kind: EventKind; readonly data: Readonly<Record<string, unknown>> }
  /** It failed by itself: companions of its group follow their group's rule. */
  | { readonly do: 'spread' }

export type Step = readonly [Child, readonly Effect[]]
export type Rule<E> = (child: Child, event: E, now: Instant, chance: number) => Step
export type Table = { readonly [P in Phase]: { readonly [K in ChildEvent['kind']]: Rule<EventOf<K>> } }

export function newChild(spec: ModuleSpec): Child {
  return {
    spec,
    phase: 'stopped',
    desired: null,
    outcome: null,
    reason: 'never started',
    run: null,
    stopping: null,
    hold: null,
    memory: FRESH_MEMORY,
    restarts: 0,
    lastExit: null,
    nextStart: null,
    nextWhy: 'boot',
    recovering: false,
    refusal: null,
    health: 'unknown',
    watchdogDueMs: null,
    wakeAtMs: null,
  }
}

export const stay: Rule<unknown> = child => [child, []]

export function note(kind: EventKind, data: Readonly<Record<string, unknown>> = {}): Effect {
  return { do: 'note', kind, data }
}

/** SPEC's word for where a module is. */
export function stateOf(child: Child): Exclude<Phase, 'done'> | 'completed' | 'failed' | 'skipped' {
  return child.phase === 'done' ? (child.outcome ?? 'failed') : child.phase
}

/** Has a process, or may have one: nothing else may be started for it. */
export function isLive(child: Child): boolean {
  return child.run !== null
}

/** Monotonic ms; null: none of them waits for a time. */
export function earliestWake(children: Iterable<Pick<Child, 'wakeAtMs'>>): number | null {
  let earliest: number | null = null
  for (const { wakeAtMs } of children) {
    if (wakeAtMs !== null && (earliest === null || wakeAtMs < earliest)) earliest = wakeAtMs
  }
  return earliest
}
