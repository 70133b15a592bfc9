/**
 * When another version of MARK may take this keeper's place, and what is told of it. How that is done is
 * host/upgrade-in-place.ts.
 */
import type { ErrorBody } from '../core/errors.ts'
import type { UpgradeOrder } from '../core/world.ts'
import type { Unfinished, UpgradeRules } from '../host/upgrade-in-place.ts'
import type { Engine } from './engine.ts'

export function upgradesOf(engine: Engine): UpgradeRules {
  return {
    unfinished: () => unfinished(engine),
    save: () => engine.save(),
    refused: (order, why) => noteRefusal(engine, order, why),
  }
}

/** What lives in this process alone and would be forgotten, or is not to go on; null: nothing. */
function unfinished({ session, stops, children }: Engine): Unfinished | null {
  if (session.closing) return { what: 'the fleet is being taken down', final: true }
  const [waiting] = stops.keys()
  if (waiting !== undefined) return { what: `${waiting} waits for its turn to stop`, final: false }
  for (const [name, { stopping, recovering, run }] of children) {
    const stage = stopping?.stage
    if (recovering || stage === 'before' || stage === 'verify')
      return { what: `a hook of ${name} runs`, final: false }
    if (run !== null && run.pid === null) return { what: `${name} is being started`, final: false }
  }
  return null
}

function noteRefusal(engine: Engine, { version, by }: UpgradeOrder, { code, message }: ErrorBody): void {
  const data = { from: engine.world.version, to: version, by, code, reason: message }
  engine.note('upgrade_refused', null, null, data)
}
