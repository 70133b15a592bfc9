/**
 * `mark status`: the fleet at a glance. Always prints what it knows, from disk if need be; exit 3 if
 * nothing runs. What only some answers need is loaded with them.
 */
import { existsSync } from 'node:fs'
import { MarkError } from '../../core/errors.ts'
import type { StatusDocument } from '../../core/view.ts'
import { askFleet } from '../ask-fleet.ts'
import type { FleetAnswer } from '../ask-without-daemon.ts'
import type { CliContext } from '../context.ts'

const NOTHING_RUNS = 3

export async function status(context: CliContext): Promise<number> {
  const answer = await askFleet(context)
  const document = (await neverStarted(context, answer)) ?? answer.document
  if (context.options.json) context.json(document)
  else {
    const { statusLines } = await import('../paint-status.ts')
    for (const line of statusLines(document, context)) context.out(line)
  }
  if (answer.deserted) {
    const keeper = await (await import('../fleet.ts')).revive(context)
    keeper.close()
  }
  const waits = document.keeper !== null && document.jobs.length > 0
  return waits || document.modules.some(module => module.pid !== null) ? 0 : NOTHING_RUNS
}

/** A fleet that was never started is shown as mark.yaml declares it. */
async function neverStarted(context: CliContext, answer: FleetAnswer): Promise<StatusDocument | null> {
  const state = context.stateDir()
  if (answer.source !== 'disk' || existsSync(state.plan) || context.place().configFile === null) return null
  context.note('nothing was started here yet: `mark up` starts it.')
  const { diskStatus, readDisk } = await import('../disk.ts')
  const { loadPlan } = await import('../load-plan.ts')
  try {
    const { plan } = await loadPlan(context)
    return diskStatus(state, { ...readDisk(state), plan })
  } catch (error) {
    if (!(error instanceof MarkError)) throw error
    context.note('the configuration cannot be read: `mark check` says why.')
    return null
  }
}
