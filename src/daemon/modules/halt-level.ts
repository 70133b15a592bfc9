/**
 * How far a module is to stop trading: the strictest of the kills that cover it and of what its halt file
 * says. What is there and cannot be read means halt.
 */
import { join } from 'node:path'
import type { HaltLevel } from '../../contract/module.ts'
import { covers } from '../../core/kill.ts'
import type { Plan } from '../../core/plan.ts'
import type { KillView } from '../../core/view.ts'
import { readRegularFile } from '../../host/atomic-file.ts'
import type { StateDir } from '../../host/state-dir.ts'

export interface Halt {
  readonly level: HaltLevel
  readonly reason: string
}

const STRICTNESS: Readonly<Record<HaltLevel, number>> = { pause: 1, halt: 2, flatten: 3 }

export function stricter(a: Halt | null, b: Halt | null): Halt | null {
  if (a === null || b === null) return a ?? b
  return STRICTNESS[b.level] > STRICTNESS[a.level] ? b : a
}

export function haltOfKills(kills: readonly KillView[], module: string, plan: Plan | null): Halt | null {
  return kills
    .filter(kill => covers(kill.scope, module, plan))
    .map((kill): Halt => {
      const why = kill.reason === null ? '' : `: ${kill.reason}`
      return { level: kill.level, reason: `kill ${kill.id} of ${kill.scope} by ${kill.by}${why}` }
    })
    .reduce(stricter, null as Halt | null)
}

/** Of halt/<module> and KILL. */
export function haltOfFiles(state: Pick<StateDir, 'haltDir' | 'killFile'>, module: string): Halt | null {
  const all = contents(state.killFile) === null ? null : { level: 'halt' as const, reason: 'the file KILL' }
  const said = contents(join(state.haltDir, module))
  if (said === null) return all
  const level = said === 'pause' || said === 'flatten' ? said : 'halt'
  return stricter(all, { level, reason: 'its halt file' })
}

/** null: not there; '': there, and not to be read. */
function contents(path: string): string | null {
  try {
    return readRegularFile(path)?.toString('utf8').trim() ?? null
  } catch {
    return ''
  }
}
