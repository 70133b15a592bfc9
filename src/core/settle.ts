/**
 * When a command that waits for modules may stop waiting, and with which verdict. Pure.
 */
import type { ModuleView } from './view.ts'

export type Settled = 'good' | 'bad' | 'pending'

/** How a module stands that was asked to come up. `oldRun`: a run that must be replaced first. */
export function upSettled(view: ModuleView | undefined, oldRun: string | null = null): Settled {
  if (view === undefined) return 'bad' // no longer declared
  const replaced = oldRun === null || view.run_id !== oldRun
  switch (view.state) {
    case 'ready':
      return replaced ? 'good' : 'pending'
    case 'completed':
      return 'good'
    case 'failed':
    case 'held':
    case 'skipped':
    case 'stopped':
      return 'bad'
    default:
      return 'pending'
  }
}

/** How a module stands that was asked to go down: no process is left, and none will start by itself. */
export function downSettled(view: ModuleView | undefined): Settled {
  if (view === undefined) return 'good'
  const moving =
    view.state === 'stopping' ||
    view.state === 'backoff' ||
    view.state === 'waiting' ||
    view.state === 'starting'
  return view.pid === null && !moving && view.state !== 'ready' ? 'good' : 'pending'
}

/** `bad` once nothing is pending and one is bad; `good` when each is. */
export function allSettled(each: readonly Settled[]): Settled {
  if (each.includes('pending')) return 'pending'
  return each.includes('bad') ? 'bad' : 'good'
}
