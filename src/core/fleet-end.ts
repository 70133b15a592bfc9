/**
 * Is a fleet over by itself? What a container lives by must end when nothing runs and nothing will. Pure.
 */
import type { ModuleView } from './view.ts'

/**
 * `good`: all is completed. `bad`: nothing runs, nothing will, and something failed. null: it goes on, if
 * only because somebody may release, start or unhold what rests.
 */
export function fleetEnd(views: Iterable<Pick<ModuleView, 'state'>>): 'good' | 'bad' | null {
  const states = [...views].map(view => view.state)
  const over = states.every(state => state === 'completed' || state === 'failed' || state === 'skipped')
  if (states.length === 0 || !over) return null
  return states.every(state => state === 'completed') ? 'good' : 'bad'
}
