/**
 * `mark plan`: what `mark up` would do to each module, and why. Changes nothing.
 */
import { withDependencies } from '../../core/chain.ts'
import { coveringKill } from '../../core/kill.ts'
import { type ChangeKind, difference } from '../../core/plan.ts'
import { resolveTargets } from '../../core/targets.ts'
import type { ModuleView } from '../../core/view.ts'
import type { CliContext } from '../context.ts'
import { askFleet } from '../fleet.ts'
import { loadPlan } from '../load-plan.ts'
import type { Style } from '../paint.ts'
import { table } from '../table.ts'
import { visibleCell } from '../visible.ts'
import { known } from './up.ts'

interface Step {
  readonly module: string
  readonly action: ChangeKind
  readonly reason: string
}

const LOOKS: Readonly<Record<ChangeKind, readonly [string, Style]>> = {
  start: ['+', 'green'],
  restart: ['~', 'yellow'],
  update: ['~', 'cyan'],
  stop: ['-', 'red'],
  keep: ['=', 'dim'],
}

export async function plan(context: CliContext, words: readonly string[]): Promise<number> {
  const { plan: next, warnings, previous } = await loadPlan(context)
  for (const line of warnings) context.note(line)
  const { document } = await askFleet(context)
  const chosen = new Set(words.length === 0 ? known(next).modules : withDependencies(next.modules, resolveTargets(words, known(next))))
  const views = new Map(document.modules.map(view => [view.name, view]))
  const steps = difference(previous, next)
    .map((change): Step => stepFor(change.module, change.change, change.reason, views.get(change.module), chosen.has(change.module)))
    .map((step): Step => {
      const kill = step.action === 'start' ? coveringKill(document.kills, step.module, next) : null
      return kill ? { ...step, reason: `refused while ${kill.id} is tripped` } : step
    })
  if (context.options.json) context.json({ fleet: next.fleet, mode: next.mode, autonomy: next.autonomy, strategy: next.strategy, steps })
  else for (const line of lines(steps, context)) context.out(line)
  return 0
}

/** A module that is as it should be in the plan may still have to be started. */
function stepFor(module: string, change: ChangeKind, reason: string, view: ModuleView | undefined, chosen: boolean): Step {
  const live = view?.pid != null
  if (change === 'stop') return { module, action: live ? 'stop' : 'keep', reason }
  if (live) return { module, action: change === 'start' ? 'keep' : change, reason: change === 'start' ? 'runs already' : reason }
  if (!chosen) return { module, action: 'keep', reason: 'not asked for' }
  if (view?.hold) return { module, action: 'keep', reason: `held: ${view.hold.reason}` }
  if (change !== 'keep' && change !== 'update') return { module, action: 'start', reason: change === 'start' ? reason : `not running; ${reason}` }
  return { module, action: 'start', reason: view ? `is ${view.state}` : 'not running' }
}

function lines(steps: readonly Step[], context: CliContext): string[] {
  const rows = steps.map(step => {
    const [sign, style] = LOOKS[step.action]
    return [context.paint(style, `${sign} ${step.action}`), step.module, visibleCell(step.reason)]
  })
  return table([{ title: 'ACTION' }, { title: 'MODULE' }, { title: 'WHY' }], rows, context.isTty ? context.columns : null)
}
